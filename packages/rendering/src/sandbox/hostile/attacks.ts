import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SandboxExit, SandboxLimits } from '../sandboxed-process.ts';
import type { AttackRun } from './attack-run.ts';

/** One thing that a scene tries. */
export interface Attack {
  name: string;
  /**
   * The body of a Python function that a registered text block of the scene runs when the scene is opened. `T` is what the
   * attacker knows (see grounds.ts), `loot(text)` sends to the channel and prints, `OUT` is the output folder.
   */
  code: string;
  /** Seen from outside: did it get what it wanted? Without the sandbox it must, else the attack proves nothing. */
  succeeded(run: AttackRun): boolean | Promise<boolean>;
  /** For what ends the process: it is run alone, with these limits, and this is the limit that the outcome names. */
  ends?: { limit: NonNullable<SandboxExit['limit']>; limits: Partial<SandboxLimits> };
}

const MEBIBYTE = 1024 * 1024;
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Each is bounded, so that it does no harm where nothing stops it. */
export const ATTACKS: Attack[] = [
  {
    name: 'reads a file beside the job folder',
    code: `
      loot(open(os.path.join(os.path.dirname(bpy.data.filepath), '..', 'beside.txt')).read())
      `,
    succeeded: (run) => run.hasSeen('beside'),
  },
  {
    name: 'reads that file by its real path',
    code: "loot('really ' + open(T['beside']).read())",
    succeeded: (run) => run.hasSeen('beside', 'really '),
  },
  {
    name: 'reads a file in a home',
    code: "loot(open(T['home'] + '/diary.txt').read())",
    succeeded: (run) => run.hasSeen('home'),
  },
  {
    name: "reads a file in another job's folder",
    code: "loot(open(T['otherJob'] + '/scene.txt').read())",
    succeeded: (run) => run.hasSeen('otherJob'),
  },
  {
    name: "reads the agent's key",
    code: "loot(open(T['agentKey']).read())",
    succeeded: (run) => run.hasSeen('agentKey'),
  },
  {
    name: 'reads the list of users',
    code: "loot(open('/etc/passwd').readline())",
    succeeded: (run) => run.said.includes('root:x:0:0'),
  },
  {
    name: "reads another process's environment",
    code: `
      for pid in [name for name in os.listdir('/proc') if name.isdigit()]:
          try:
              environment = open('/proc/' + pid + '/environ').read()
          except OSError:
              continue
          if 'canary-' in environment:
              loot(environment)
      `,
    succeeded: (run) => run.hasSeen('environment'),
  },
  {
    name: 'reads through the root and working folder of other processes',
    code: `
      for pid in [name for name in os.listdir('/proc') if name.isdigit()]:
          for way in ('root', 'cwd/..', 'cwd'):
              try:
                  loot('through ' + open('/proc/' + pid + '/' + way + T['home'] + '/diary.txt').read())
              except OSError:
                  pass
      `,
    succeeded: (run) => run.hasSeen('home', 'through '),
  },
  {
    name: 'writes outside its folders',
    code: `
      for folder in (T['home'], T['otherJob'], T['workDir']):
          try:
              open(folder + '/planted', 'w').write('planted')
          except OSError:
              pass
      `,
    succeeded: async ({ grounds, workDir }) =>
      (
        await Promise.all([grounds.home, grounds.otherJob, workDir].map((folder) => exists(join(folder, 'planted'))))
      ).some(Boolean),
  },
  {
    name: "changes the job's own files, which other jobs share",
    code: `
      os.chmod(os.path.dirname(bpy.data.filepath), 0o777)
      open(os.path.join(os.path.dirname(bpy.data.filepath), 'shared.txt'), 'w').write('changed')
      `,
    succeeded: async ({ jobDir }) => (await readFile(join(jobDir, 'shared.txt'), 'utf8')) === 'changed',
  },
  {
    name: "connects to the agent's port on 127.0.0.1",
    code: "socket.create_connection(('127.0.0.1', T['port']), 5).sendall(b'tcp')",
    succeeded: ({ grounds }) => grounds.heard.includes('tcp'),
  },
  {
    name: 'connects to an abstract unix socket',
    code: `
      connection = socket.socket(socket.AF_UNIX)
      connection.connect('\\0' + T['abstractSocket'])
      connection.sendall(b'abstract')
      `,
    succeeded: ({ grounds }) => grounds.heard.includes('abstract'),
  },
  {
    name: 'connects to a unix socket by its path',
    code: `
      connection = socket.socket(socket.AF_UNIX)
      connection.connect(T['socket'])
      connection.sendall(b'path')
      `,
    succeeded: ({ grounds }) => grounds.heard.includes('path'),
  },
  {
    name: 'mounts, in a user namespace of its own',
    code: `
      loot(subprocess.run(['unshare', '--user', '--map-root-user', '--mount', '/bin/sh', '-c',
          'mount -t tmpfs stolen-mount /mnt || mount -t tmpfs stolen-mount /job; cat /proc/self/mounts'],
          capture_output=True, text=True).stdout)
      `,
    succeeded: (run) => run.said.includes('stolen-mount'),
  },
  {
    name: 'makes its read-only folder writable',
    code: `
      libc = ctypes.CDLL(None, use_errno=True)
      REMOUNT, BIND = 32, 4096
      libc.mount(b'none', b'/job', None, REMOUNT | BIND, None)
      job = os.path.dirname(bpy.data.filepath)
      loot('a writable job folder' if os.access(job, os.W_OK) else 'no')
      `,
    succeeded: (run) => run.said.includes('a writable job folder'),
  },
  {
    name: 'traces another process, which dies with it',
    code: `
      libc = ctypes.CDLL(None, use_errno=True)
      SEIZE, EXITKILL = 0x4206, 1 << 20
      libc.ptrace(SEIZE, T['victim'], None, ctypes.c_void_p(EXITKILL))
      `,
    succeeded: ({ grounds }) => grounds.victim.signalCode === 'SIGKILL',
  },
  {
    name: 'forges what the driver would say, naming files of the agent',
    code: `
      for path in (T['agentKey'], '../../agent-key', '../job/../../agent-key'):
          os.write(3, (json.dumps({'event': 'written', 'file': path}) + '\\n').encode())
      `,
    succeeded: async (run) => {
      const forged = [...run.said.matchAll(/"file": "([^"]+)"/g)].map(([, file]) => run.openOutput(file as string));
      const opened = (await Promise.allSettled(forged)).map((each) => (each.status === 'fulfilled' ? each.value : ''));
      if (forged.length < 3) throw new Error('the forged messages did not arrive');
      return opened.some((content) => content.includes(run.grounds.secrets.agentKey));
    },
  },
  {
    name: 'leaves a symbolic link to a file of the agent as its output',
    code: "os.symlink(T['agentKey'], OUT + '/symlink.png')",
    succeeded: async (run) => (await run.openOutput('symlink.png')).includes(run.grounds.secrets.agentKey),
  },
  {
    name: 'leaves a symbolic link to a folder of the agent among its outputs',
    code: "os.symlink(os.path.dirname(T['agentKey']), OUT + '/folder')",
    succeeded: async (run) => (await run.openOutput('folder/agent-key')).includes(run.grounds.secrets.agentKey),
  },
  {
    name: 'leaves a hard link to a file of the agent as its output',
    code: "os.link(T['agentKey'], OUT + '/hard-link.png')",
    succeeded: async (run) => (await run.openOutput('hard-link.png')).includes(run.grounds.secrets.agentKey),
  },
  {
    name: 'leaves a FIFO as its output, so that the reader waits for ever',
    code: "os.mkfifo(OUT + '/fifo.png')",
    succeeded: async (run) => (await run.openOutput('fifo.png')) === 'waits for ever',
  },
  {
    name: 'fills the disk',
    code: `
      for number in range(24):
          with open(OUT + '/%d.bin' % number, 'wb') as file:
              file.write(b'x' * (4 << 20))
      loot('wrote 96 MiB')
      time.sleep(60 if T['waits'] else 0)
      `,
    succeeded: async ({ outDir }) => (await readdir(outDir)).length === 24,
    ends: { limit: 'output', limits: { outputBytes: 64 * MEBIBYTE } },
  },
  {
    name: 'fills the disk with one file',
    code: `
      with open(OUT + '/endless.exr', 'wb') as file:
          for number in range(24):
              file.write(b'x' * (4 << 20))
      `,
    succeeded: async (run) => (await run.outputSize('endless.exr')) === 96 * MEBIBYTE,
    ends: { limit: 'output', limits: { outputBytes: 64 * MEBIBYTE } },
  },
  {
    name: 'leaves more files than anyone would read',
    // Not faster than a watchdog looks: a user's sandbox has its files counted by one.
    code: `
      for number in range(20000):
          open(OUT + '/%d.png' % number, 'w').close()
          if number % 1000 == 0:
              time.sleep(0.03)
      time.sleep(60 if T['waits'] else 0)
      `,
    succeeded: async ({ outDir }) => (await readdir(outDir)).length === 20_000,
    ends: { limit: 'output', limits: { outputFiles: 500 } },
  },
  {
    name: 'forks without end',
    code: `
      children = []
      try:
          for number in range(T['processes'] + 200):
              child = os.fork()
              if child == 0:
                  time.sleep(60)
                  os._exit(0)
              children.append(child)
          loot('forked without end')
      finally:
          time.sleep(60 if T['waits'] else 0)
          for child in children:
              os.kill(child, 9)
      `,
    succeeded: (run) => run.said.includes('forked without end'),
    ends: { limit: 'processes', limits: {} },
  },
  {
    name: 'fills the memory',
    // Not faster than a watchdog looks: without a cgroup the limit is held by one.
    code: `
      held = []
      for number in range(12):
          held.append(b'x' * (64 << 20))
          time.sleep(0.05)
      loot('allocated 768 MiB')
      time.sleep(60 if T['waits'] else 0)
      `,
    succeeded: (run) => run.said.includes('allocated 768 MiB'),
    ends: { limit: 'memory', limits: { memoryBytes: 512 * MEBIBYTE } },
  },
  {
    name: 'fills the memory through files in it',
    code: `
      written = []
      try:
          for folder in ('/dev/shm', '/tmp', OUT):
              written.append(folder + '/hostile-%d' % os.getpid())
              with open(written[-1], 'wb') as file:
                  for number in range(12):
                      file.write(b'x' * (16 << 20))
                      time.sleep(0.03)
          loot('filled 576 MiB')
          time.sleep(60 if T['waits'] else 0)
      finally:
          for path in written:
              os.remove(path)
      `,
    succeeded: (run) => run.said.includes('filled 576 MiB'),
    ends: { limit: 'memory', limits: { memoryBytes: 512 * MEBIBYTE, outputBytes: 256 * MEBIBYTE } },
  },
];
