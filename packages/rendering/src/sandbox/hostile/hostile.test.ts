import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AttackRun, runAttack, type Way } from './attack-run.ts';
import { ATTACKS, type Attack } from './attacks.ts';
import { type Grounds, layOutGrounds } from './grounds.ts';
import { makeHostileScenes } from './hostile-scene.ts';

const TOGETHER = ATTACKS.filter(({ ends }) => !ends);
const ALONE = ATTACKS.filter(({ ends }) => ends);

const runsAsRoot = process.getuid?.() === 0;
const WAYS: { title: string; way: Way; expected: 'nothing' | 'everything' }[] = [
  { title: 'in the sandbox', way: { level: 'bubblewrap' }, expected: 'nothing' },
  // An ordinary user seldom has a cgroup, so for one the first row is this one.
  ...(runsAsRoot
    ? [
        {
          title: 'in the sandbox without cgroups',
          way: { level: 'bubblewrap', cgroups: null },
          expected: 'nothing',
        } as const,
      ]
    : []),
  { title: 'without the sandbox, or this suite proves nothing', way: { level: 'none' }, expected: 'everything' },
];

let scenes: Awaited<ReturnType<typeof makeHostileScenes>>;

beforeAll(async () => {
  scenes = await makeHostileScenes([TOGETHER, ...ALONE.map((attack) => [attack])]);
});

afterAll(() => scenes.remove());

describe.each(WAYS)(`a hostile scene, opened by ${runsAsRoot ? 'root' : 'a user'} $title`, ({ way, expected }) => {
  const runs = new Map<Attack, AttackRun>();
  let grounds: Grounds;

  beforeAll(async () => {
    grounds = await layOutGrounds();
    const open = (index: number, limits = {}) => runAttack(scenes.paths[index] as string, grounds, way, limits);
    const together = await open(0);
    for (const attack of TOGETHER) runs.set(attack, together);
    const waiting = [...ALONE.entries()];
    const openNext = async (): Promise<void> => {
      const [index, attack] = waiting.shift() ?? [];
      if (index === undefined || !attack) return;
      runs.set(attack, await open(index + 1, attack.ends?.limits));
      await openNext();
    };
    // They wait for limits more than they work.
    await Promise.all([openNext(), openNext(), openNext()]);
  });

  afterAll(async () => {
    for (const run of new Set(runs.values())) await run.clear();
    await grounds.clear();
  });

  if (expected === 'everything') {
    it.each(ATTACKS)('$name', async (attack) => {
      const run = runs.get(attack) as AttackRun;
      await vi.waitFor(async () => expect(await attack.succeeded(run), run.said).toBe(true), 5_000);
    });
    return;
  }

  it.each(TOGETHER)('$name, and gets nowhere', async (attack) => {
    const run = runs.get(attack) as AttackRun;
    expect(run.said).toContain(`trying: ${attack.name}\n`);
    expect(await attack.succeeded(run), run.said).toBe(false);
    expect(run.exit).toEqual({ code: 0, signal: null, limit: null });
  });

  it.each(ALONE)('$name, gets nowhere, and the outcome says why', async (attack) => {
    const run = runs.get(attack) as AttackRun;
    expect(run.said).toContain(`trying: ${attack.name}\n`);
    expect(await attack.succeeded(run), run.said).toBe(false);
    expect(run.exit.limit, run.said).toBe(attack.ends?.limit);
  });
});
