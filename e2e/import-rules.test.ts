import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const biome = join(root, 'node_modules/.bin/biome');

/** Each row is a file that must not be written, and the rule that says so: a linter that finds nothing here checks nothing. */
const violations: [path: string, source: string, rule: string][] = [
  ['packages/protocol/src/a.ts', "import fs from 'node:fs';\nexport const a = fs;\n", 'noRestrictedImports'],
  ['packages/frames/src/a.ts', "import { sql } from 'kysely';\nexport const a = sql;\n", 'noRestrictedImports'],
  [
    'packages/rendering/src/a.ts',
    "import { x } from '@pictor/api-client';\nexport const a = x;\n",
    'noRestrictedImports',
  ],
  ['apps/cli/src/a.ts', "import { Client } from 'pg';\nexport const a = Client;\n", 'noRestrictedImports'],
  ['apps/cli/src/b.ts', "import { x } from '@pictor/rendering';\nexport const a = x;\n", 'noRestrictedImports'],
  [
    'apps/agent/src/a.ts',
    "import { x } from '../../server/src/config.ts';\nexport const a = x;\n",
    'noRestrictedImports',
  ],
  [
    'apps/agent/src/b.ts',
    "import { x } from '@pictor/protocol/src/ids.ts';\nexport const a = x;\n",
    'noRestrictedImports',
  ],
  ['apps/server/src/jobs/a.ts', "import { x } from '@pictor/rendering';\nexport const a = x;\n", 'noRestrictedImports'],
  ['apps/server/src/jobs/b.ts', "import { x } from '../http/index.ts';\nexport const a = x;\n", 'noRestrictedImports'],
  [
    'apps/server/src/jobs/c.ts',
    "import { x } from '../frames/lease.ts';\nexport const a = x;\n",
    'noRestrictedImports',
  ],
  [
    'apps/server/src/assets/a.ts',
    "import { x } from '../jobs/index.ts';\nexport const a = x;\n",
    'noRestrictedImports',
  ],
  ['apps/server/src/db/a.ts', "import { x } from '../outbox/index.ts';\nexport const a = x;\n", 'noRestrictedImports'],
  ['apps/server/src/jobs/d.ts', 'export const a = process.env.HOME;\n', 'noProcessEnv'],
  ['apps/cli/src/c.ts', "import { d } from './d.ts';\nexport const c = () => d;\n", 'noImportCycles'],
  ['apps/cli/src/d.ts', "import { c } from './c.ts';\nexport const d = () => c;\n", 'noImportCycles'],
];

const allowed: [path: string, source: string][] = [
  ['packages/protocol/src/z.ts', "import { z } from 'zod';\nexport const a = z;\n"],
  ['apps/server/src/jobs/z.ts', "import { x } from '../frames/index.ts';\nexport const a = x;\n"],
  ['apps/server/src/db/z.ts', "import { Kysely } from 'kysely';\nexport const a = Kysely;\n"],
  ['apps/server/src/config.ts', 'export const a = process.env.HOME;\n'],
];

describe('import rules', () => {
  let folder: string;
  let diagnostics: { category: string; location: { path: unknown } }[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pictor-import-rules-'));
    await cp(join(root, 'biome.json'), join(folder, 'biome.json'));
    for (const [path, source] of [...violations, ...allowed]) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), source);
    }
    const run = promisify(execFile)(
      biome,
      ['lint', '--reporter=json', '--vcs-enabled=false', '--max-diagnostics=500', '.'],
      {
        cwd: folder,
      },
    );
    const { stdout } = await run.catch((error: { stdout: string }) => error);
    diagnostics = JSON.parse(stdout).diagnostics;
  });

  afterAll(() => rm(folder, { recursive: true }));

  const rulesBrokenBy = (path: string) =>
    diagnostics.filter((row) => JSON.stringify(row.location).includes(path)).map((row) => row.category);

  it.each(violations)('%s is refused', (path, _source, rule) => {
    expect(rulesBrokenBy(path)).toContainEqual(expect.stringContaining(rule));
  });

  it.each(allowed)('%s is allowed', (path) => {
    expect(rulesBrokenBy(path)).toEqual([]);
  });
});
