import { createProgram } from './program.ts';
import { reportFailure } from './terminal/report-failure.ts';

const program = createProgram();
try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode = reportFailure(error, process.argv.includes('--json'));
}
