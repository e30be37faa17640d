import { readdir, readFile, readlink } from 'node:fs/promises';

/** Command lines of the processes that still name `folder`, in their arguments or as the folder they run in. */
export async function findLeftRunning(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim();
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
      return command.includes(folder) || cwd.startsWith(folder) ? `${pid} ${command} (in ${cwd})` : null;
    }),
  );
  return found.filter((row) => row !== null);
}

/** Waits until nothing of `folder` runs any more, and returns what still does after the deadline. */
export async function waitUntilNothingRuns(folder: string, deadlineMs = 15_000): Promise<string[]> {
  for (const end = Date.now() + deadlineMs; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const left = await findLeftRunning(folder);
    if (left.length === 0 || Date.now() > end) return left;
  }
}
