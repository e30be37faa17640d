import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';

const CLOSE_ON_EXEC = 0o2000000;

let inherited: number[] | undefined;

/**
 * The descriptors that this process got from whoever started it and that would reach every child, hostile ones too:
 * Node marks its own to be closed, not those. Asked once, for they do not become more.
 *
 * @param above Descriptors up to this one are the child's own business.
 */
export function inheritedDescriptors(above: number): number[] {
  inherited ??= readdirSync('/proc/self/fd').map(Number).filter(isPassedOn);
  return inherited.filter((descriptor) => descriptor > above);
}

/** Runs `start` with `/dev/null` open; a child that gets it in place of an inherited descriptor has nothing of the latter. */
export function withNull<T>(start: (descriptor: number) => T): T {
  const descriptor = openSync('/dev/null', 'r+');
  try {
    return start(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function isPassedOn(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1] ?? '0';
    return (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    return false; // The one with which the folder was read.
  }
}
