/**
 * Throws an error where the application's handler of uncaught errors gets it, so that it stops nothing else; unless it says that the
 * store was closed.
 */
export function throwLater(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") {
    return;
  }
  queueMicrotask(() => {
    throw error;
  });
}
