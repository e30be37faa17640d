import { readdir, readFile } from 'node:fs/promises';

export interface TreeUsage {
  /** Anonymous and shared memory; libraries and other mapped files are not counted. */
  memoryBytes: number;
  /** Processes and threads together. */
  threads: number;
}

/** Sums over every process in a procfs: that of a sandbox lists exactly its own. */
export async function usageOfProcfs(procfs: string): Promise<TreeUsage> {
  const pids = (await readdir(procfs).catch(() => [])).filter((name) => /^\d+$/.test(name));
  return sum(await Promise.all(pids.map((pid) => usageOf(`${procfs}/${pid}`))));
}

/** Sums over a process and all that descends from it; what has detached itself from the tree is not seen. */
export async function usageOfDescendants(root: number): Promise<TreeUsage> {
  const childrenOf = new Map<number, number[]>();
  for (const name of (await readdir('/proc')).filter((each) => /^\d+$/.test(each))) {
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)]);
  }
  const tree = [root];
  for (let index = 0; index < tree.length; index += 1) tree.push(...(childrenOf.get(tree[index] as number) ?? []));
  return sum(await Promise.all(tree.map((pid) => usageOf(`/proc/${pid}`))));
}

async function usageOf(folder: string): Promise<TreeUsage> {
  const status = await readFile(`${folder}/status`, 'utf8').catch(() => '');
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return { memoryBytes: (number('RssAnon') + number('RssShmem')) * 1024, threads: number('Threads') };
}

function sum(usages: TreeUsage[]): TreeUsage {
  return usages.reduce(
    (total, usage) => ({
      memoryBytes: total.memoryBytes + usage.memoryBytes,
      threads: total.threads + usage.threads,
    }),
    { memoryBytes: 0, threads: 0 },
  );
}
