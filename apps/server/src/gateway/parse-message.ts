import { AgentMessage } from '@pictor/protocol';
import { z } from 'zod';

/** Escapes that stand for what PostgreSQL cannot keep: NUL, and halves of surrogate pairs. What Blender prints may hold anything. */
const UNSTORABLE = /\\u(0000|d[89a-f])/i;

/** The version in a hello is compared before anything else is read: another version may have other messages (SPEC.md H5). */
export const VersionOnly = z.object({ type: z.literal('hello'), protocolVersion: z.number() });

export type Parsed<T> = { ok: true; value: T } | { ok: false; problem: string };

/** Reads JSON; what the database could not keep becomes U+FFFD. */
export function parseJson(text: string): Parsed<unknown> {
  try {
    const isSuspect = UNSTORABLE.test(text);
    return { ok: true, value: isSuspect ? JSON.parse(text, storable) : JSON.parse(text) };
  } catch {
    return { ok: false, problem: 'a message was not JSON' };
  }
}

const storable = (_key: string, value: unknown) =>
  typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\uFFFD') : value;

/** Reads a message of an agent; `problem` says in a line what does not fit. */
export function parseAgentMessage(json: unknown): Parsed<AgentMessage> {
  const checked = AgentMessage.safeParse(json);
  if (checked.success) return { ok: true, value: checked.data };
  const issue = checked.error.issues[0];
  const type = (json as { type?: unknown } | null)?.type;
  return { ok: false, problem: `${String(type)}: ${issue?.path.join('.') || 'message'}: ${issue?.message}` };
}
