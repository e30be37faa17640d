import type { Command } from 'commander';

/** Adds a value to an option that may be given several times. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** Which server, and how to print: what nearly every command takes. */
export function withServerOptions(command: Command): Command {
  return withJsonOption(
    command
      .option('--server <url>', 'server to use (or PICTOR_SERVER); else the one that is up on this machine')
      .option('--token <token>', "the server's operator token (or PICTOR_TOKEN); known for a server on this machine"),
  );
}

export function withJsonOption(command: Command): Command {
  return command.option('--json', 'print one JSON object a line');
}
