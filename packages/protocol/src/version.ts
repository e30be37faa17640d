/** Version of the agent protocol. Raised when an older agent could misread a message; both sides state theirs in the handshake. */
export const PROTOCOL_VERSION = 1;

/** Version of the programs, shown to people; never compared. */
export const PICTOR_VERSION = '0.1.0';

/** Versions of Blender that the tests run with; README names them, too. Others start with a warning. */
const TESTED_BLENDERS = ['3.4'];

/** What to say of a Blender that the tests do not run with, e.g. `4.2.1`; null for one that they do. */
export function untestedBlender(version: string): string | null {
  if (TESTED_BLENDERS.some((tested) => version === tested || version.startsWith(`${tested}.`))) return null;
  return `The tests run with Blender ${TESTED_BLENDERS.join(', ')}, not with ${version}: look at its first frames before you trust it.`;
}
