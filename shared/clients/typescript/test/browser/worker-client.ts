/** The service worker, as a page uses it. */
import type { Text } from "./application.ts";
import type { WorkerTask } from "./worker.ts";

/** Registers the service worker. Once the promise is fulfilled, it serves the page. */
export async function registerWorker(): Promise<void> {
  await navigator.serviceWorker.register("worker.js", { type: "module" });
  const isServed = new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
  if (!navigator.serviceWorker.controller) {
    await isServed;
  }
}

/** Lets the service worker do `task`, and returns its result. */
export function callWorker(task: WorkerTask): Promise<{ texts: Text[]; unsent: number }> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve, reject) => {
    port1.onmessage = ({ data }) => ("error" in data ? reject(new Error(data.error)) : resolve(data.result));
    navigator.serviceWorker.controller?.postMessage(task, [port2]);
  });
}
