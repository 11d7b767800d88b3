import type { ItemType, Json } from "../../src/index.ts";
import { ITEM_TYPES } from "../../src/records.ts";
import { type UploadBody, type UploadResult, Wire } from "./wire.ts";

/** Item: type and id, as `saved_query/i1`. */
export type Key = `${ItemType}/${string}`;

export const keyOf = (type: ItemType, id: string): Key => `${type}/${id}`;

/** Part of an item that an edit writes: its known fields as a whole, or the field `folder`, which the API does not define. */
export type Part = "known" | "folder";

/** What an edit is about. */
export interface Intent {
  readonly key: Key;
  readonly device: string;
  readonly tab: string;
  /** `sync_version` of the item that the tab had read; 0 if there was none. */
  readonly readVersion: number;
  /** Markers in the item that the tab had read. */
  readonly read: ReadonlySet<string>;
  /** Whether the edit names no version: it is about whatever this device has. */
  readonly isBlind: boolean;
  /** Part that holds the marker; absent for a deletion. */
  readonly part?: Part;
  readonly overwrites: ReadonlySet<Part>;
  /** Option `deviceOnly` of the call. */
  readonly deviceOnly?: boolean;
  /** Whether the server must reject the edit. */
  readonly isInvalid: boolean;
}

/** Edit of a user. It leaves a unique marker in its item. */
export interface Edit extends Intent {
  readonly marker: string;
  /** Id that the client has given to its change. */
  changeId?: string;
  /** Place in the order of the transactions that stored edits; absent if the edit was never stored. */
  stored?: number;
  /** Whether the item stays on the device. */
  staysHere: boolean;
  /** Whether a request has contained it. */
  isSent: boolean;
  /** Whether the last response about it, if there was one, has rejected it. */
  isRejected: boolean;
  /** Places in the order of requests of those that accepted it, and whose response a device has received. */
  readonly accepted: number[];
  /** Reason for which it may be missing in the end. */
  pardon?: string | undefined;
}

/** Time between a backup and its restoration, as places in the order of requests. */
interface LostRange {
  readonly after: number;
  readonly until: number;
}

/** Record of all edits of a schedule. */
export class Edits {
  readonly all: Edit[] = [];
  readonly #byMarker = new Map<string, Edit>();
  readonly #lostRanges: LostRange[] = [];
  /** Items that stay on a device by the choice of its user, and types that are not synced, each with the device. */
  readonly #local = new Set<string>();
  readonly #wire = new Wire();
  #transactions = 0;
  /** Number of requests that the server has processed. */
  requests = 0;
  #backup = 0;

  /** Records an edit that a tab is about to make. */
  begin(intent: Intent): Edit {
    const marker = `m${this.all.length}.`;
    const edit: Edit = { ...intent, marker, staysHere: false, isSent: false, isRejected: false, accepted: [] };
    this.all.push(edit);
    this.#byMarker.set(marker, edit);
    return edit;
  }

  /** Records that a transaction has stored an edit. */
  store(edit: Edit): void {
    const { device, key, deviceOnly } = edit;
    const place = `${device} ${key}`;
    edit.stored = ++this.#transactions;
    const wasLocal = this.#local.has(place);
    if (deviceOnly) {
      this.#local.add(place);
    } else if (deviceOnly === false || !edit.part) {
      this.#local.delete(place);
    }
    edit.staysHere = this.isLocal(device, key);
    if (wasLocal && !edit.staysHere) {
      // The user shares the item, with fields of earlier edits.
      this.#of(device, key).filter((other) => other !== edit && other.staysHere).forEach((other) => this.#share(other));
    } else if (!wasLocal && edit.staysHere) {
      // The item takes the folder with it.
      const isTaken = (other: Edit): boolean => other.part === "folder" && !other.isSent && hasSeen(edit, other);
      this.#of(device, key).filter(isTaken).forEach((other) => (other.pardon = "moved to the device"));
    }
  }

  /** Returns whether an item stays on a device. */
  isLocal(device: string, key: Key): boolean {
    const [type] = key.split("/");
    return this.#local.has(`${device} ${key}`) || this.#local.has(`${device} ${type}`);
  }

  /** Records that a device has another set of types that are synced. */
  setTypes(device: string, types: readonly ItemType[]): void {
    for (const type of ITEM_TYPES) {
      const place = `${device} ${type}`;
      const [wasSynced, isSynced] = [!this.#local.has(place), types.includes(type)];
      const edits = this.all.filter((edit) => edit.device === device && edit.key.startsWith(`${type}/`) && edit.stored !== undefined);
      if (isSynced) {
        this.#local.delete(place);
      } else {
        this.#local.add(place);
      }
      if (wasSynced && !isSynced) {
        // The device keeps what it shows. It neither sends other edits nor keeps the rejected ones. If the user has moved an item to the
        // device before, the deletion is still sent, after the edits that came before it.
        const isLeft = ({ key, accepted }: Edit): boolean => accepted.length === 0 && !this.#local.has(`${device} ${key}`);
        edits.filter(isLeft).forEach((edit) => this.#keep(edit));
      } else if (!wasSynced && isSynced) {
        edits.filter((edit) => edit.staysHere).forEach((edit) => this.#share(edit));
      }
    }
  }

  #keep(edit: Edit): void {
    edit.staysHere = !edit.isSent;
    edit.pardon ??= edit.isSent ? "its type is not synced any more" : undefined;
  }

  #share(edit: Edit): void {
    if (this.isReplaced(edit)) {
      edit.pardon = "replaced on the device that it had not left";
    }
    edit.staysHere = this.isLocal(edit.device, edit.key);
  }

  /** Records that the user has removed all data of a device. */
  wipe(device: string): void {
    for (const edit of this.all) {
      if (edit.device === device && edit.stored !== undefined && edit.accepted.length === 0) {
        edit.pardon = "wiped";
      }
    }
    const isItem = (place: string): boolean => place.startsWith(`${device} `) && place.includes("/");
    [...this.#local].filter(isItem).forEach((place) => this.#local.delete(place));
  }

  #of(device: string, key: Key): Edit[] {
    return this.all.filter((edit) => edit.device === device && edit.key === key);
  }

  /** Returns the edit with a marker. */
  get(marker: string): Edit | undefined {
    return this.#byMarker.get(marker);
  }

  /** Records that a request with this body leaves a device. */
  send(body: string): void {
    for (const marker of markersIn(body)) {
      const edit = this.get(marker);
      if (edit?.staysHere && edit.stored !== undefined) {
        throw new Error(`${marker} of ${edit.key} must stay on ${edit.device}, but is sent: ${body}`);
      }
      if (edit) {
        edit.isSent = true;
      }
    }
  }

  /** Records that an upload leaves a device. */
  upload(body: UploadBody): void {
    this.#wire.upload(body, (id) => this.all.find(({ changeId }) => changeId === id));
  }

  /** Records that a device has received the response to an upload. `place` is that of the request. */
  receive(body: UploadBody, response: UploadResult, place: number): void {
    this.#wire.receive(body, response);
    const edits = new Map(body.changes.map((change) => [change.id, markersIn(change)]));
    const of = (id: string): Edit[] => [...edits.get(id) ?? []].flatMap((marker) => this.get(marker) ?? []);
    for (const { change_id } of [...response.applied, ...response.conflicts]) {
      for (const edit of of(change_id)) {
        edit.isRejected = false;
        edit.accepted.push(place);
        // A valid edit may contain the folder that an invalid one has set.
        if (edit.isInvalid && edit.part === "known") {
          throw new Error(`${edit.marker} should be rejected, and is accepted`);
        }
      }
    }
    for (const { change, code } of response.rejected) {
      of(change.id).forEach((edit) => (edit.isRejected = code !== "RESYNC_REQUIRED"));
    }
  }

  /** Records that a device has received a response that accepts the edits in this body. */
  accept(body: string, place: number): void {
    for (const marker of markersIn(body)) {
      this.get(marker)?.accepted.push(place);
    }
  }

  /** Records that the edits with these markers may be missing in the end. */
  pardon(markers: Iterable<string>, reason: string): void {
    for (const marker of markers) {
      const edit = this.get(marker);
      if (edit) {
        edit.pardon = reason;
      }
    }
  }

  /** Records that the server was backed up. */
  backUp(): void {
    this.#backup = this.requests;
  }

  /** Records that the backup has replaced the state of the server. */
  restore(): void {
    this.#lostRanges.push({ after: this.#backup, until: this.requests });
  }

  /** Returns the edits that are missing: neither in `found` nor allowed to be. */
  missing(found: ReadonlySet<string>): Edit[] {
    return this.all.filter((edit) => edit.part && !found.has(edit.marker) && !this.mayBeMissing(edit));
  }

  /** Returns whether an edit may be missing in the end. */
  mayBeMissing(edit: Edit): boolean {
    // The client was killed before its transaction: the user was not told that the edit was saved.
    const wasNeverMade = edit.stored === undefined;
    return wasNeverMade || edit.pardon !== undefined || this.isReplaced(edit) || this.#isForgotten(edit);
  }

  /**
   * Returns whether the same device has replaced an edit that the server does not have: it was not sent yet, or was rejected. Whoever
   * replaces it has seen it: the same tab, or one that has read it, or an edit of whatever the device has.
   */
  isReplaced(edit: Edit): boolean {
    const isLocal = edit.staysHere || !edit.isSent || edit.isRejected;
    const by = (other: Edit): boolean => {
      const isLater = other.stored !== undefined && edit.stored !== undefined && other.stored > edit.stored;
      const overwrites = !other.part || (edit.part !== undefined && other.overwrites.has(edit.part));
      return other.key === edit.key && other.device === edit.device && isLater && (hasSeen(other, edit) || edit.staysHere) && overwrites;
    };
    return isLocal && this.all.some(by);
  }

  /**
   * Returns whether the server has forgotten an edit because a backup was restored that is older than each acceptance that a device was
   * told of. A device that was told of one does not keep the edit.
   */
  #isForgotten({ accepted }: Edit): boolean {
    const isLost = (place: number): boolean => this.#lostRanges.some(({ after, until }) => place > after && place <= until);
    return accepted.length > 0 && accepted.every(isLost);
  }
}

/** Returns whether who made `edit` had seen `other`: it was the same tab, had read it, or means whatever the device has. */
const hasSeen = (edit: Edit, other: Edit): boolean => edit.tab === other.tab || edit.read.has(other.marker) || edit.isBlind;

/** Returns the markers in a text or in the JSON of a value. */
export function markersIn(value: string | object | Json | undefined): Set<string> {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null);
  return new Set(text.match(/\bm\d+\./g));
}
