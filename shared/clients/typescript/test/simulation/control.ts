/** The routes by which a schedule controls the service, see `tests/sdk/simulated_service.rs`. */
export class Control {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** Replaces the service by one without accounts. */
  start(hasSmallQuota: boolean): Promise<unknown> {
    return this.#post("start", { small_quota: hasSmallQuota });
  }

  setClock(now: Date): Promise<unknown> {
    return this.#post("clock", { now: now.toISOString() });
  }

  purge(): Promise<unknown> {
    return this.#post("purge");
  }

  backUp(): Promise<unknown> {
    return this.#post("back-up");
  }

  restore(): Promise<unknown> {
    return this.#post("restore");
  }

  invalidateCursors(): Promise<unknown> {
    return this.#post("invalidate-cursors");
  }

  restart(): Promise<unknown> {
    return this.#post("restart");
  }

  async #post(name: string, body: object = {}): Promise<unknown> {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${this.#url}/control/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) {
      throw new Error(`${name}: ${response.status} ${await response.text()}`);
    }
    return response.json();
  }
}
