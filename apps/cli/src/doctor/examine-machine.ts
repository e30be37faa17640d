import { execFile } from 'node:child_process';
import { access, mkdir, statfs } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import { BlenderBuild, RenderDevice, untestedBlender } from '@pictor/protocol';
import { z } from 'zod';
import { childEnvironment, config, repositoryRoot } from '../config.ts';
import { formatBytes } from '../terminal/format-quantities.ts';

/** One thing that was looked at. `missing`: rendering needs it. */
export interface Check {
  name: string;
  result: 'ok' | 'warning' | 'missing';
  detail: string;
  fix: string | null;
}

/** What `agent doctor --json` prints. */
const AgentDoctor = z.object({
  sandbox: z.object({
    level: z.enum(['bubblewrap', 'container', 'none']),
    problems: z.array(z.string()),
    limits: z.string(),
  }),
  builds: z.array(BlenderBuild),
  devices: z.array(RenderDevice),
});

const MIN_DISK_BYTES = 2 * 1024 ** 3;
const MIN_MEMORY_BYTES = 4 * 1024 ** 3;

/** Looks at everything that rendering on this machine takes. */
export async function examineMachine(): Promise<Check[]> {
  const programs = await Promise.all([
    program('bubblewrap', 'bwrap', 'bubblewrap', 'missing'),
    program('Xvfb', 'Xvfb', 'xvfb', 'warning', 'EEVEE needs it'),
    program('xauth', 'xauth', 'xauth', 'warning', 'EEVEE needs it'),
    program('ffmpeg', 'ffmpeg', 'ffmpeg', 'warning', 'films of frames need it'),
    program('oiiotool', 'oiiotool', 'openimageio-tools', 'warning', 'the tests compare pictures with it'),
  ]);
  return [
    check('Node.js', 'ok', `${process.version} from node_modules`),
    ...(await agentChecks()),
    ...programs,
    await diskCheck(),
    memoryCheck(),
  ];
}

function check(name: string, result: Check['result'], detail: string, fix: string | null = null): Check {
  return { name, result, detail, fix };
}

async function program(
  name: string,
  command: string,
  debianPackage: string,
  result: 'missing' | 'warning',
  why = 'rendering needs it',
): Promise<Check> {
  const path = await findProgram(command);
  return path
    ? check(name, 'ok', path)
    : check(name, result, `not installed; ${why}`, `sudo apt-get install ${debianPackage}`);
}

async function findProgram(command: string): Promise<string | null> {
  for (const folder of (childEnvironment().PATH ?? '').split(delimiter)) {
    const path = join(folder, command);
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (folder !== '' && exists) return path;
  }
  return null;
}

async function agentChecks(): Promise<Check[]> {
  const asked = await askAgent();
  if (typeof asked === 'string') return [check('agent', 'missing', `it cannot examine this machine: ${asked}`)];
  const { sandbox, builds, devices } = asked;
  const gpus = devices.filter((device) => device.kind === 'GPU');
  return [
    ...(builds.length === 0
      ? [
          check(
            'Blender',
            'missing',
            'none was found that renders',
            'sudo apt-get install blender, or name one with --blender PATH',
          ),
        ]
      : builds.map(blenderCheck)),
    sandbox.level === 'none'
      ? check(
          'sandbox',
          'warning',
          `does not work, so an agent here renders its owner's scenes only: ${sandbox.problems.join('; ')}`,
          'install bubblewrap, and allow user namespaces: sudo sysctl kernel.unprivileged_userns_clone=1',
        )
      : check(
          'sandbox',
          sandbox.problems.length > 0 ? 'warning' : 'ok',
          [`${sandbox.level}, limits by ${sandbox.limits}`, ...sandbox.problems].join('; '),
        ),
    gpus.length === 0
      ? check('GPU', 'ok', 'none that Blender can use; the CPU renders')
      : check(
          'GPU',
          'ok',
          gpus.map((gpu) => `${gpu.name} (${gpu.backend}, ${formatBytes(gpu.memoryBytes)})`).join(', '),
        ),
  ];
}

function blenderCheck(build: BlenderBuild): Check {
  const engines = build.engines.join(', ') || 'no engine';
  const denoisers = build.denoisers.join(', ') || 'none';
  const detail = `${build.version} at ${build.path} renders with ${engines}; denoisers: ${denoisers}`;
  if (build.engines.length === 0) {
    return check('Blender', 'missing', detail, 'this build renders nothing: install another one');
  }
  const untested = untestedBlender(build.version);
  return untested === null ? check('Blender', 'ok', detail) : check('Blender', 'warning', `${detail}. ${untested}`);
}

function askAgent(): Promise<z.infer<typeof AgentDoctor> | string> {
  const script = join(repositoryRoot, 'apps/agent/src/main.ts');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, 'doctor', '--json'],
      { cwd: repositoryRoot, env: childEnvironment(), maxBuffer: 2 ** 24 },
      (error, stdout, stderr) => {
        const line = stdout.trim().split('\n').at(-1) ?? '';
        const report = error ? null : AgentDoctor.safeParse(JSON.parse(line));
        if (report?.success) resolve(report.data);
        else resolve(stderr.trim().split('\n').at(-1) || line || String(error ?? report?.error));
      },
    );
  });
}

async function diskCheck(): Promise<Check> {
  try {
    await mkdir(config.home, { recursive: true, mode: 0o700 });
    const { bavail, bsize } = await statfs(config.home);
    const free = bavail * bsize;
    const detail = `${formatBytes(free)} free at ${config.home}`;
    return free >= MIN_DISK_BYTES
      ? check('disk', 'ok', detail)
      : check('disk', 'missing', detail, 'free some space, or set PICTOR_HOME to a folder on a larger disk');
  } catch (error) {
    const why = (error as Error).message;
    return check('disk', 'missing', `${config.home} cannot be used: ${why}`, 'set PICTOR_HOME to a folder of your own');
  }
}

function memoryCheck(): Check {
  const detail = `${formatBytes(totalmem())}, ${cpus().length} CPU threads`;
  return totalmem() >= MIN_MEMORY_BYTES
    ? check('memory', 'ok', detail)
    : check('memory', 'warning', `${detail}; large scenes will not fit`);
}
