import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const REPOSITORY = resolve(import.meta.dirname, '../../../../..');
const ORDINARY_USER = 65_533;

/**
 * Shows the repository and Node to the user at places that it can reach, wherever they lie, in a mount namespace that ends with
 * this shell; then becomes that user. Arguments: repository, folder of node, temporary folder, uid, what to run.
 */
const AS_USER = `
set -e
mkdir "$3/stage"
mount -t tmpfs -o mode=755,size=1m tmpfs "$3/stage"
mkdir "$3/stage/repository" "$3/stage/node" "$3/stage/tmp"
mount --rbind "$1" "$3/stage/repository"
mount --bind "$2" "$3/stage/node"
mount --bind "$3/tmp" "$3/stage/tmp"
mount --rbind "$3/stage" /mnt
user=$4
shift 4
cd /mnt/repository
export HOME=/mnt/tmp TMPDIR=/mnt/tmp NO_COLOR=1
unset FORCE_COLOR
exec setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all "$@"
`;

// An ordinary user has run the suite itself, beside this file.
describe.runIf(process.getuid?.() === 0)('the hostile suite', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pictor-as-user-'));
    await mkdir(join(folder, 'tmp'));
    await chmod(join(folder, 'tmp'), 0o1777);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('passes as an ordinary user too', { timeout: 300_000 }, async () => {
    const vitest = [
      '/mnt/repository/node_modules/vitest/vitest.mjs',
      'run',
      '--configLoader=native',
      '--no-cache',
      '--reporter=dot',
    ];
    const ran = await promisify(execFile)('unshare', [
      ...['--mount', '--propagation', 'private', '/bin/sh', '-c', AS_USER, 'sh'],
      ...[REPOSITORY, dirname(process.execPath), folder, String(ORDINARY_USER)],
      ...['/mnt/node/node', ...vitest, 'packages/rendering/src/sandbox/hostile/hostile.test.ts'],
    ]).catch((error: { stdout: string; stderr: string }) => error);
    expect(`${ran.stdout}\n${ran.stderr}`).toMatch(/Test Files\s+1 passed/);
  });
});
