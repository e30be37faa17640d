/**
 * Does all pieces of work at once. Where one fails the others are aborted and waited for, then its error is thrown: nothing
 * goes on behind the caller's back.
 */
export async function allOrNone(
  signal: AbortSignal,
  pieces: ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const stop = new AbortController();
  const bounded = AbortSignal.any([signal, stop.signal]);
  let failed = false;
  let firstError: unknown;
  await Promise.all(
    pieces.map(async (piece) => {
      try {
        await piece(bounded);
      } catch (error) {
        if (!failed) {
          failed = true;
          firstError = error;
          stop.abort(error);
        }
      }
    }),
  );
  if (failed) {
    throw firstError;
  }
}
