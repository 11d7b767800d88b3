/** Uploads the changes of this device, batch by batch. */
import { Changes } from "./changes.ts";
import type { Local } from "./collection.ts";
import { type Meta, type Rejection, type Writes, META, UNSENT, itemIn, metaIn, writeItem } from "./records.ts";
import type { Remote } from "./remote.ts";
import { type Failure, SIGNED_OUT } from "./result.ts";
import type { Progress, Step } from "./sync.ts";
import type { Change, Strategy, UploadRequest, UploadResponse } from "./types.ts";
import { type Batch, MAX_CHANGES, applyResults, isUploadResponse, nextBatch, reject } from "./upload.ts";

/** Time after which a request without a response was too large for the network, in milliseconds. */
export const SLOW = 10_000;

export const UNEXPECTED: Failure = { code: "INTERNAL_ERROR", message: "the service sent a response that does not match the request" };
const RESYNC: Failure = { code: "CONFLICT", message: "the service accepts some edits only after another download" };

/** Uploads the changes of this device. */
export class Uploader {
  /** Changes that this sync does not send again, by id, with the reason. */
  readonly postponed = new Map<string, Failure>();
  readonly #local: Local;
  readonly #remote: Remote;
  readonly #strategy: Strategy;
  /** Most changes of the next upload. */
  #limit = MAX_CHANGES;

  constructor(local: Local, remote: Remote, strategy: Strategy) {
    this.#local = local;
    this.#remote = remote;
    this.#strategy = strategy;
  }

  /** Uploads one batch. */
  async step(report: Progress): Promise<Step> {
    const [meta, batch] = await this.#nextBatch();
    if (batch.changes.length === 0) {
      return "done";
    }
    if (meta.user_id === undefined) {
      return SIGNED_OUT;
    }
    const body: UploadRequest = {
      device_id: meta.device_id,
      conflict_strategy: this.#strategy,
      changes: [...batch.changes],
      ...(meta.cursor !== undefined && { last_sync_at: meta.cursor }),
    };
    const started = performance.now();
    const request = { method: "POST", path: "/api/sync/upload", body, compress: true, account: meta.user_id } as const;
    const sent = await this.#remote.send<UploadResponse>(request);
    if (!sent.ok) {
      return this.#fail(batch, sent.error, performance.now() - started, report);
    }
    this.#limit = Math.min(MAX_CHANGES, 2 * this.#limit);
    return isUploadResponse(sent.value) ? this.#takeResults(batch, sent.value, report) : UNEXPECTED;
  }

  /** Chooses the changes of the next upload. From then on, their content is fixed. */
  async #nextBatch(): Promise<[Meta, Batch]> {
    const keys = await this.#unsentItems(this.#limit + this.postponed.size);
    return this.#local.store.transact({ keys: [META, ...keys] }, (records) => {
      const writes: Writes = new Map();
      return { result: [metaIn(records), nextBatch(writes, records, keys, this.postponed, this.#limit)], writes };
    });
  }

  /** Returns the keys of `count` items with unsent changes, or more, those with the oldest changes first. */
  async #unsentItems(count: number): Promise<string[]> {
    const keys = new Set<string>();
    for (let after = ""; ;) {
      const markers = await this.#local.store.list(UNSENT, { after, limit: MAX_CHANGES });
      markers.forEach(([, key]) => keys.add(String(key)));
      after = markers.at(-1)?.[0] ?? "";
      if (markers.length < MAX_CHANGES || keys.size >= count) {
        return [...keys];
      }
    }
  }

  async #takeResults(batch: Batch, response: UploadResponse, report: Progress): Promise<Step> {
    const { resync, settled } = await this.#local.store.transact({ keys: [META, ...batch.keys.values()] }, (records) => {
      const writes: Writes = new Map();
      return { result: applyResults(writes, metaIn(records), records, batch, response), writes };
    });
    resync.forEach((id) => this.postponed.set(id, RESYNC));
    report.uploaded += response.applied.length + response.conflicts.length;
    report.conflicts += response.conflicts.length;
    report.rejected += response.rejected.length - resync.length;
    const deleted = new Set(batch.changes.filter(({ action }) => action === "delete").map(({ id }) => id));
    if (response.applied.some(({ change_id }) => deleted.has(change_id))) {
      await this.#retryFull();
    }
    return settled + resync.length < batch.changes.length ? UNEXPECTED : "next";
  }

  /** Lets changes that the account had no room for be sent again, because something was deleted. */
  async #retryFull(): Promise<void> {
    const changes = new Changes(this.#local.store);
    for (const change of await changes.list()) {
      if (change.rejected?.code === "QUOTA_EXCEEDED") {
        await changes.retry(change);
      }
    }
  }

  /** Decides what follows a refused upload, so that a change which it was refused for does not keep the others back. */
  async #fail(batch: Batch, error: Failure, milliseconds: number, report: Progress): Promise<Step> {
    const { code, status, details = [] } = error;
    if (code === "OFFLINE" && status === undefined) {
      this.#limit = milliseconds > SLOW ? half(batch) : this.#limit;
      return error;
    }
    // A firewall in front of the service may take a text for an attack.
    const isBlocked = (code === "OFFLINE" || code === "FORBIDDEN") && Number(status) < 500 && (await this.#isAllowed());
    const isInvalid = code === "INVALID_REQUEST" || code === "PAYLOAD_TOO_LARGE";
    const named = details.map(({ field }) => Number(/^changes\[(\d+)\]/.exec(field)?.[1] ?? NaN));
    const isOfChanges = named.every((index) => index < batch.changes.length);
    if (!(isBlocked || code === "INTERNAL_ERROR" || (isInvalid && isOfChanges))) {
      return error;
    }
    if (named.length === 0 && batch.changes.length > 1) {
      this.#limit = half(batch);
      return "next";
    }
    this.#limit = MAX_CHANGES;
    const causes = batch.changes.filter((_, index) => named.length === 0 || named.includes(index));
    if (code === "INTERNAL_ERROR") {
      // A defect of the service, which may be mended by the next sync.
      causes.forEach(({ id }) => this.postponed.set(id ?? "", error));
    } else {
      await this.#reject(batch, causes, isBlocked ? { ...error, code: "FORBIDDEN" } : error);
      report.rejected += causes.length;
    }
    return "next";
  }

  async #reject(batch: Batch, causes: readonly Change[], { code, message: reason, details = [] }: Failure): Promise<void> {
    await this.#local.store.transact({ keys: [...batch.keys.values()] }, (records) => {
      const writes: Writes = new Map();
      for (const cause of causes) {
        const item = itemIn(records, batch.keys.get(cause.id ?? "") ?? "");
        const change = item?.changes.find(({ id }) => id === cause.id);
        if (item && change) {
          const own = details.filter(({ field }) => field.startsWith(`changes[${batch.changes.indexOf(cause)}]`));
          const rejection: Rejection = { code, reason: own[0] ? `${own[0].field} ${own[0].message}` : reason, details: own };
          writeItem(writes, reject(writes, item, change, rejection));
        }
      }
      return { writes, result: undefined };
    });
  }

  /** Returns whether the service accepts requests of this application. */
  async #isAllowed(): Promise<boolean> {
    return (await this.#remote.send({ method: "GET", path: "/api/sync/limits" })).ok;
  }
}

const half = (batch: Batch): number => Math.ceil(batch.changes.length / 2);
