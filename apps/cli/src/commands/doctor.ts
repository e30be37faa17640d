import type { Command } from 'commander';
import { type Check, examineMachine } from '../doctor/examine-machine.ts';
import { withJsonOption } from './options.ts';

/** `pictor doctor`: what is missing on this machine, with the fix. */
export function addDoctor(program: Command): void {
  withJsonOption(program.command('doctor').description('Say what is missing on this machine, with the fix'))
    .addHelpText(
      'after',
      `
The exit code is 1 where something is missing that rendering needs.

Examples:
  pictor doctor
  pictor doctor --json`,
    )
    .action(async (options: { json?: boolean }) => {
      const checks = await examineMachine();
      for (const check of checks) console.log(options.json ? JSON.stringify(check) : describe(check));
      if (checks.some((check) => check.result === 'missing')) process.exitCode = 1;
    });
}

function describe(check: Check): string {
  const mark = { ok: 'ok      ', warning: 'warning ', missing: 'missing ' }[check.result];
  return `${mark} ${check.name}: ${check.detail}${check.fix ? `\n          fix: ${check.fix}` : ''}`;
}
