/** The text that a worker signs for a delivered frame (SPEC.md R4). Outputs may come in any order. */
export function receiptText(
  attemptId: string,
  outputs: readonly { path: string; pixelSha256: string; sha256: string }[],
): string {
  const sorted = [...outputs].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return ['pictor-frame-v1', attemptId, ...sorted.flatMap((o) => [o.path, o.pixelSha256, o.sha256])].join('\n');
}

/** The text that an agent signs to prove its key (SPEC.md H2). */
export const proofText = (nonce: string, workerId: string) => `pictor-agent-v1:${nonce}:${workerId}`;
