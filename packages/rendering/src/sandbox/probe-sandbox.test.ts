import { expect, it } from 'vitest';
import { probeSandbox } from './probe-sandbox.ts';

it('finds the sandbox of this machine whole', async () => {
  const probe = await probeSandbox();
  expect(probe).toMatchObject({ level: 'bubblewrap', problems: [], runsAsRoot: process.getuid?.() === 0 });
});

it('says in a sentence what to install where bubblewrap is missing', async () => {
  const { level, problems } = await probeSandbox({ bwrapPath: '/nowhere/bwrap' });
  expect(level).toBe('none');
  expect(problems).toEqual([expect.stringMatching(/bubblewrap is not installed.*apt install bubblewrap/)]);
});
