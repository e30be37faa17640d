export { checkEnvelope } from './check-envelope.ts';
export { type Checks, startChecks } from './start-checks.ts';
