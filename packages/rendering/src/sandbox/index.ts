export { probeSandbox } from './probe-sandbox.ts';
export type {
  Mount,
  SandboxExit,
  SandboxedProcess,
  SandboxLimits,
  SandboxOptions,
  SandboxProbe,
  WallLevel,
} from './sandboxed-process.ts';
export { startSandboxed } from './start-sandboxed.ts';
