import { ERRORS, type ErrorCode, ErrorReply, PictorError, ROUTES, type Route, type RouteName } from '@pictor/protocol';
import type { ServerAddress } from './server-address.ts';

const TIMEOUT_MS = 120_000;

/** Calls a route. The reply is checked against the contract. */
export async function requestRoute<Reply>(
  server: ServerAddress,
  name: RouteName,
  input: { params?: Record<string, unknown>; query?: Record<string, unknown>; body?: unknown },
): Promise<Reply> {
  const route: Route = ROUTES[name];
  const path = route.path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(String(input.params?.[key])));
  const query = new URLSearchParams(
    Object.entries(input.query ?? {}).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, String(value)] as [string, string]],
    ),
  );
  const response = await send(server, query.size > 0 ? `${path}?${query}` : path, {
    method: route.method,
    ...(input.body !== undefined && {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(input.body),
    }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const reply = await readJson(server, response);
  const checked = route.reply.safeParse(reply);
  if (checked.success) return checked.data as Reply;
  throw new PictorError(
    'internal',
    `The server at ${server.url} answered ${name} with something this version does not understand: use the same version of Pictor on both sides.`,
    { cause: checked.error },
  );
}

/** Sends a request with the token. Throws what the server refused, `server-unreachable` where there is no answer. */
export async function send(server: ServerAddress, path: string, init: RequestInit): Promise<Response> {
  const headers = { ...(server.token && { authorization: `Bearer ${server.token}` }), ...(init.headers as object) };
  let response: Response;
  try {
    response = await fetch(urlOf(server, path), { ...init, headers });
  } catch (error) {
    throw unreachable(server, error);
  }
  if (response.ok) return response;
  throw refusal(server, response.status, await readJson(server, response));
}

/** The address of a path, below whatever path the server's own address has. */
export function urlOf(server: ServerAddress, path: string): URL {
  return new URL(server.url.replace(/\/+$/, '') + path);
}

/** What the server refused, by its code; something that is no server of ours is `server-unreachable`. */
export function refusal(server: ServerAddress, status: number, reply: unknown): PictorError {
  const { data } = ErrorReply.safeParse(reply);
  if (!data) return unreachable(server, new Error(`HTTP status ${status} without a refusal of Pictor`));
  const { code, message, details } = data.error;
  // A newer server may have codes that this version does not know.
  const known = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : status < 500 ? 'validation' : 'internal';
  return new PictorError(known, message, { details });
}

/** `server-unreachable`, with what the network said. */
export function unreachable(server: ServerAddress, cause: unknown): PictorError {
  const reason = ((cause as Error).cause ?? cause) as NodeJS.ErrnoException;
  const said = reason.message || reason.code || String(reason);
  return new PictorError(
    'server-unreachable',
    `The server at ${server.url} does not answer (${said}). Check that it is up and that the address is right.`,
    { cause },
  );
}

async function readJson(server: ServerAddress, response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw unreachable(server, error);
  }
}
