/** Edits of items on this device. */
import { sameContent, unknownFields, updated } from "./fields.ts";
import {
  type Fields, type ItemRecord, type LocalChange, type Meta, type Writes, META, itemKey, rejectedKey, toJson, unsentKey, without,
  writeItem,
} from "./records.ts";

/** Edit that the application makes. */
export interface Edit {
  /** New fields; absent for a deletion. */
  readonly data?: Fields;
  /** Version of the item that the application has read; by default the newest of this device. */
  readonly base?: number;
  /** `updated_at` of the item that the application has read, which tells the edits of this device apart. */
  readonly readAt?: string;
  /** Whether the item stays on this device; by default as before. */
  readonly deviceOnly?: boolean;
  /** Time of the edit, by the clock of this device. */
  readonly now: string;
  /** Id for the change. */
  readonly changeId: string;
}

/** Tab that makes an edit. */
export interface Tab {
  readonly id: string;
  /** Sequence number of the newest change when the tab opened the store. The tab cannot have read an older state of these items. */
  readonly openedAt: number;
}

/** Fields of an item as its user sees it, with the version that an edit of it is based on. */
export interface Visible {
  readonly data: Fields;
  readonly sync_version: number;
}

/** Returns an item with its local edits, or `undefined` if it is deleted. */
export function visible(item: ItemRecord | undefined): Visible | undefined {
  if (!item) {
    return undefined;
  }
  const sync_version = shownChanges(item).at(-1)?.base ?? item.server?.sync_version ?? 0;
  const afterChange = (before: Fields | undefined, change: LocalChange) => apply(item, before, change);
  const data = item.device ? item.device.data : shownChanges(item).reduce(afterChange, item.server?.data);
  return data && { data, sync_version };
}

/** Returns whether an item cannot be edited: entries of the query history do not change. */
export const isFixed = (item: ItemRecord): boolean => item.type === "query_history" && visible(item) !== undefined;

/** Returns the fields of an item after a change. */
export function apply(item: ItemRecord, before: Fields | undefined, change: LocalChange): Fields | undefined {
  return change.data && stamped(item, before, change.data, change.updated_at);
}

/** Returns the fields of an item after an edit, with those that sync sets. */
function stamped(item: ItemRecord, before: Fields | undefined, data: Fields, now: string): Fields {
  const created = item.type === "query_history" ? {} : { created_at: before?.["created_at"] ?? now };
  return { ...created, ...updated(item.type, before, data), id: item.id, updated_at: now };
}

const shownChanges = (item: ItemRecord): LocalChange[] => item.changes.filter((change) => !change.superseded);

/** Writes an edit. Returns the item, or `undefined` if there was nothing to change. */
export function edit(writes: Writes, meta: Meta, item: ItemRecord, tab: Tab, made: Edit): ItemRecord | undefined {
  const before = visible(item)?.data;
  const isSynced = meta.types.includes(item.type);
  const staysHere = !isSynced || (made.deviceOnly ?? item.device !== undefined);
  // A choice for the item, now or earlier, outlasts a change of the types that are synced.
  const wasChosen = item.device?.byType === false;
  const isChosen = made.deviceOnly ?? wasChosen;
  const isMoved = made.data !== undefined && (isChosen !== wasChosen || staysHere !== (item.device !== undefined));
  if (!isMoved && isUnchanged(item, before, made.data)) {
    return undefined;
  }
  const next = staysHere ? keepHere(writes, meta, item, tab, made, !isChosen) : share(writes, meta, item, tab, made);
  writeItem(writes, next);
  return next;
}

/** Returns whether an edit leaves an item as it is. Of a rejected edit it keeps no field: one may be the reason of the rejection. */
function isUnchanged(item: ItemRecord, before: Fields | undefined, data: Fields | undefined): boolean {
  const last = item.device ? undefined : shownChanges(item).at(-1);
  return last?.rejected ? sameContent(last.data, data) : sameContent(before, data && updated(item.type, before, data));
}

/** Stores an edit of an item that stays on this device. If the server has the item, it is deleted there. */
function keepHere(writes: Writes, meta: Meta, item: ItemRecord, tab: Tab, made: Edit, byType: boolean): ItemRecord {
  const before = visible(item)?.data;
  const isShared = meta.types.includes(item.type) && !item.device && before !== undefined;
  const left = isShared ? change(writes, meta, withoutUnsent(writes, item), tab, without(made, "data")) : item;
  const data = made.data && stamped(item, before, made.data, made.now);
  // A deletion hides what the server has of a type that is not synced.
  const isHidden = !meta.types.includes(item.type) && item.server?.data !== undefined;
  return data || isHidden ? { ...left, device: { ...(data && { data }), byType } } : without(left, "device");
}

/** Makes an edit a change, of an item that may have stayed on this device before. */
function share(writes: Writes, meta: Meta, item: ItemRecord, tab: Tab, made: Edit): ItemRecord {
  const unknown = item.device?.data && unknownFields(item.type, item.device.data);
  const data = made.data && { ...unknown, ...made.data };
  return change(writes, meta, without(item, "device"), tab, data ? { ...made, data } : made);
}

/** Drops the changes of an item that were never sent. */
function withoutUnsent(writes: Writes, item: ItemRecord): ItemRecord {
  const unsent = item.changes.filter(({ sent, rejected }) => !sent && !rejected);
  unsent.forEach(({ seq }) => writes.set(unsentKey(seq), undefined));
  return { ...item, changes: item.changes.filter((change) => !unsent.includes(change)) };
}

/** Adds a change to an item, or replaces one that was never sent and that the tab has seen. Returns the item. */
function change(writes: Writes, meta: Meta, item: ItemRecord, tab: Tab, made: Edit): ItemRecord {
  const last = shownChanges(item).at(-1);
  const server = item.server?.sync_version ?? 0;
  const base = Math.min(made.base ?? last?.base ?? server, Math.max(last?.base ?? 0, server));
  const replaced = last && isReplaceable(last, tab, base, made.readAt) ? last : undefined;
  if (replaced) {
    writes.set(replaced.rejected ? rejectedKey(replaced.seq) : unsentKey(replaced.seq), undefined);
  }
  const kept = item.changes.filter((other) => other !== replaced);
  // What was created and deleted before it was sent never existed.
  if (!made.data && kept.length === 0 && !item.server) {
    return { ...item, changes: kept };
  }
  const seq = meta.seq + 1;
  const isUpdate = item.server?.data !== undefined || kept.length > 0;
  const added: LocalChange = {
    seq,
    id: made.changeId,
    action: !made.data ? "delete" : isUpdate ? "update" : "create",
    ...(made.data && { data: withEarlierFields(item, replaced, made.data) }),
    updated_at: made.now,
    base,
    tab: tab.id,
  };
  writes.set(META, toJson({ ...meta, seq }));
  writes.set(unsentKey(seq), itemKey(item.type, item.id));
  return { ...item, changes: [...kept, added] };
}

/** Returns whether an edit may take the place of a change: the service does not have the change, and who makes the edit has seen it. */
function isReplaceable(last: LocalChange, tab: Tab, base: number, readAt: string | undefined): boolean {
  const isSeen = (last.tab === tab.id || last.seq <= tab.openedAt) && (readAt === undefined || readAt === last.updated_at);
  return isSeen && last.base === base && (last.rejected !== undefined || !last.sent);
}

/** Returns the data of an edit, with the unknown fields that the unsent edit which it replaces has set or removed. */
function withEarlierFields(item: ItemRecord, replaced: LocalChange | undefined, data: Fields): Fields {
  return replaced?.data && !replaced.rejected ? { ...unknownFields(item.type, replaced.data), ...data } : data;
}
