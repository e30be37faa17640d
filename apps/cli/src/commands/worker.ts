import type { Worker } from '@pictor/protocol';
import type { Command } from 'commander';
import { type Connection, connectOrFail, type ServerOptions } from '../network/connect.ts';
import { formatTable } from '../terminal/format-table.ts';
import { withServerOptions } from './options.ts';

type Options = ServerOptions & { json?: boolean };

/** `pictor worker`: the machines that a server knows. */
export function addWorker(program: Command): void {
  const worker = program
    .command('worker')
    .description('Create, list, drain, resume or revoke the workers of a server')
    .addHelpText(
      'after',
      `
Examples:
  pictor worker create render-node-1 > worker-config.json
  pictor worker list
  pictor worker drain wrk_0123456789abcdef`,
    );
  withServerOptions(worker.command('create').description('Register a worker and print its worker-config.json, once'))
    .argument('<name>', 'what to call the machine')
    .action(async (name: string, options: Options) => {
      const { client } = await connectOrFail(options);
      const workerConfig = await client.createWorker({ body: { name } });
      console.log(options.json ? JSON.stringify(workerConfig) : JSON.stringify(workerConfig, null, 2));
    });
  withServerOptions(worker.command('list').description('List workers with status and what they have')).action(
    async (options: Options) => {
      const { client } = await connectOrFail(options);
      const { workers } = await client.listWorkers({});
      if (options.json) for (const each of workers) console.log(JSON.stringify(each));
      else console.log(workers.length === 0 ? 'no workers yet: pictor worker create NAME' : describeWorkers(workers));
    },
  );
  addVerb(worker, 'drain', 'Let a worker finish what it has and take no more', (client, params) =>
    client.drainWorker({ params }),
  );
  addVerb(worker, 'resume', 'Let a worker take work again', (client, params) => client.resumeWorker({ params }));
  addVerb(worker, 'revoke', 'Refuse the key of a worker from now on', (client, params) =>
    client.revokeWorker({ params }),
  );
}

function addVerb(
  parent: Command,
  verb: string,
  description: string,
  act: (client: Connection['client'], params: { workerId: string }) => Promise<Worker>,
): void {
  withServerOptions(parent.command(verb).description(description))
    .argument('<worker>', "the worker's id, from pictor worker list")
    .action(async (workerId: string, options: Options) => {
      const { client } = await connectOrFail(options);
      const worker = await act(client, { workerId });
      console.log(options.json ? JSON.stringify(worker) : describeWorkers([worker]));
    });
}

function describeWorkers(workers: Worker[]): string {
  return formatTable(
    ['worker', 'name', 'status', 'Blender', 'devices', 'machine'],
    workers.map((worker) => [
      worker.workerId,
      worker.name,
      worker.statusReason ? `${worker.status}: ${worker.statusReason}` : worker.status,
      worker.capabilities?.builds.map((build) => build.version).join(', ') ?? '',
      worker.capabilities?.devices.map((device) => device.name).join(', ') ?? '',
      worker.hostname ?? '',
    ]),
  );
}
