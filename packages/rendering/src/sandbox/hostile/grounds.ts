import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What lies around a sandbox on a worker's machine and is none of a scene's business. All of it is real. */
export interface Grounds {
  root: string;
  home: string;
  otherJob: string;
  agentKey: string;
  /** Content of the files above, and of the victim's environment. */
  secrets: Record<'beside' | 'home' | 'otherJob' | 'agentKey' | 'environment', string>;
  /** A process of the same user. */
  victim: ChildProcess;
  /** What came in over the listeners: 127.0.0.1, an abstract socket, a socket in a folder. */
  heard: string[];
  port: number;
  abstractSocket: string;
  socket: string;
  clear(): Promise<void>;
}

/** A sleeper that lets everyone trace it, so that only the sandbox is in the way where the kernel allows parents alone. */
const VICTIM =
  'import ctypes, time; ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1)); print(1, flush=True); time.sleep(600)';

export async function layOutGrounds(): Promise<Grounds> {
  // mkdtemp makes it 0700, as an agent's folders are: root's sandboxes must work below that.
  const root = await mkdtemp(join(tmpdir(), 'pictor-hostile-'));
  const secret = () => `canary-${randomUUID()}`;
  const secrets = {
    ...{ beside: secret(), home: secret(), otherJob: secret(), agentKey: secret(), environment: secret() },
  };
  const home = join(root, 'home');
  const otherJob = join(root, 'other', 'job');
  const agentKey = join(root, 'agent-key');
  await mkdir(home);
  await mkdir(otherJob, { recursive: true });
  await writeFile(join(home, 'diary.txt'), secrets.home);
  await writeFile(join(otherJob, 'scene.txt'), secrets.otherJob);
  await writeFile(agentKey, secrets.agentKey, { mode: 0o600 });

  const heard: string[] = [];
  const listen = async (where: { port: number; host: string } | { path: string }): Promise<Server> => {
    const server = createServer((socket) => {
      socket.on('data', (data) => heard.push(data.toString()));
      socket.on('error', () => undefined);
    });
    server.listen(where);
    await once(server, 'listening');
    return server;
  };
  const abstractSocket = `pictor-hostile-${randomUUID()}`;
  const socket = join(root, 'agent.sock');
  const tcp = await listen({ port: 0, host: '127.0.0.1' });
  const servers = [tcp, await listen({ path: `\0${abstractSocket}` }), await listen({ path: socket })];

  const victim = spawn('/usr/bin/python3', ['-c', VICTIM], {
    env: { SECRET: secrets.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(victim.stdout, 'data');

  return {
    ...{ root, home, otherJob, agentKey, secrets, victim, heard, abstractSocket, socket },
    port: (tcp.address() as AddressInfo).port,
    async clear() {
      victim.kill('SIGKILL');
      for (const server of servers) server.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
