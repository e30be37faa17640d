import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished, pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { type BlenderBuild, Denoiser, Engine, PictorError } from '@pictor/protocol';
import { z } from 'zod';
import { type SandboxProbe, startSandboxed } from '../sandbox/index.ts';
import { blenderMounts } from './blender-mounts.ts';
import { type ProbeKey, readProbedBuild, writeProbedBuild } from './build-cache.ts';
import { deviceNodes } from './device-nodes.ts';
import { listDevices } from './list-devices.ts';

const run = promisify(execFile);
const PROBE_WITHIN_MS = 120_000;
/** Those that draw with OpenGL come last: where they find no display some Blenders end. */
const ENGINES: Engine[] = ['CYCLES', 'WORKBENCH', 'EEVEE'];
const DRAWN_ENGINES: Engine[] = ['WORKBENCH', 'EEVEE'];
/** Slots of devices begin at 0, the highest one of the sandbox is this. */
const PROBE_SLOT = 999;

const Finding = z.union([
  z.object({ version: z.string().max(100) }),
  z.object({ engine: Engine }),
  z.object({ denoiser: Denoiser }),
  z.object({ done: z.literal(true) }),
]);

interface Findings {
  version: string | null;
  engines: Engine[];
  denoisers: Denoiser[];
  complaint: string;
}

/**
 * What one Blender is and really rendered here, in the sandbox: small test pictures with each engine and denoiser, whose pixels
 * are looked at. Remembered in `cacheFile` until the executable, the sandbox or the display changes.
 *
 * @param path An executable, e.g. from `findBlenders`.
 * @throws PictorError `setup-missing` if it does not run at all.
 */
export async function probeBuild(path: string, sandbox: SandboxProbe, cacheFile: string): Promise<BlenderBuild> {
  const resolved = await realpath(path);
  const key = await probeKey(resolved, sandbox);
  const known = await readProbedBuild(cacheFile, resolved, key);
  if (known) return known;
  const devices = await listDevices({ path: resolved });
  const nodes = [...new Set((await Promise.all(devices.map(deviceNodes))).flat())];
  const [sha256, findings] = await Promise.all([
    sha256OfFile(resolved),
    findingsOf(resolved, sandbox, nodes, { engines: ENGINES, denoisers: Denoiser.options, display: false }),
  ]);
  if (findings.version === null) {
    throw new PictorError(
      'setup-missing',
      `${resolved} is no Blender that runs here: ${findings.complaint || 'it said nothing'}`,
    );
  }
  const undrawn = DRAWN_ENGINES.filter((engine) => !findings.engines.includes(engine));
  const needsDisplay = key.hasXvfb ? await drawnWithDisplay(resolved, sandbox, nodes, undrawn) : [];
  const engines = ENGINES.filter((engine) => findings.engines.includes(engine) || needsDisplay.includes(engine));
  const { version, denoisers } = findings;
  const build: BlenderBuild = { path: resolved, version, sha256, engines, denoisers, needsDisplay };
  await writeProbedBuild(cacheFile, key, build);
  return build;
}

async function probeKey(path: string, sandbox: SandboxProbe): Promise<ProbeKey> {
  const { size, mtimeMs } = await stat(path);
  const hasXvfb = await run('/bin/sh', ['-c', 'command -v Xvfb']).then(
    () => true,
    () => false,
  );
  return { sizeBytes: size, modifiedMs: mtimeMs, sandbox: sandbox.level, hasXvfb };
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest('hex');
}

/** Each in a Blender of its own: one that ends it must not take the others along. */
async function drawnWithDisplay(path: string, sandbox: SandboxProbe, nodes: string[], engines: Engine[]) {
  const drawn: Engine[] = [];
  for (const engine of engines) {
    const findings = await findingsOf(path, sandbox, nodes, { engines: [engine], denoisers: [], display: true });
    drawn.push(...findings.engines);
  }
  return drawn;
}

async function findingsOf(
  path: string,
  sandbox: SandboxProbe,
  devices: string[],
  wanted: { engines: Engine[]; denoisers: Denoiser[]; display: boolean },
): Promise<Findings> {
  const workDir = await mkdtemp(join(tmpdir(), 'pictor-probe-'));
  const hasWalls = sandbox.level !== 'none';
  const script = hasWalls ? '/pictor/builds/probe.py' : join(import.meta.dirname, 'probe.py');
  const out = hasWalls ? '/out' : join(workDir, 'out');
  const args = ['-b', '--factory-startup', '--disable-autoexec', '--python', script, '--', '--out', out];
  args.push('--engines', wanted.engines.join(','), '--denoisers', wanted.denoisers.join(','));
  try {
    const blender = await startSandboxed({
      level: sandbox.level,
      slot: PROBE_SLOT,
      workDir,
      mounts: [{ source: import.meta.dirname, target: '/pictor/builds' }, ...blenderMounts(path)],
      limits: { memoryBytes: null, processes: 4096, outputBytes: 64 * 1024 * 1024, outputFiles: 100 },
      devices,
      display: wanted.display,
      command: path,
      args,
      env: {},
    });
    const tooLate = setTimeout(() => void blender.kill(), PROBE_WITHIN_MS);
    const findings: Findings = { version: null, engines: [], denoisers: [], complaint: '' };
    blender.stdout.resume();
    blender.stderr.on('data', (chunk: Buffer) => {
      findings.complaint = (findings.complaint + chunk.toString()).slice(-2000);
    });
    const lines = createInterface({ input: blender.channel }).on('line', (line) => record(findings, line));
    await Promise.all([blender.exited, once(lines, 'close'), finished(blender.stderr)]);
    clearTimeout(tooLate);
    await blender.kill();
    return findings;
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

function record(findings: Findings, line: string): void {
  const finding = Finding.parse(JSON.parse(line));
  if ('version' in finding) findings.version = finding.version;
  if ('engine' in finding) findings.engines.push(finding.engine);
  if ('denoiser' in finding) findings.denoisers.push(finding.denoiser);
}
