export type { Accounts } from "./account.ts";
export type { Changes, UnsyncedChange } from "./changes.ts";
export { type Client, type ClientOptions, openClient } from "./client.ts";
export type { Collection, ItemFields, PutOptions } from "./collection.ts";
export type {
  Connection, ConnectionInput, ExtraFields, HistoryEntry, HistoryEntryInput, SavedQuery, SavedQueryInput,
} from "./collections.ts";
export type { Choice, Conflicts } from "./conflicts.ts";
export { type Difference, differences } from "./fields.ts";
export type { Fields, Rejection } from "./records.ts";
export type { Remote, RemoteRequest } from "./remote.ts";
export type { Failure, FailureCode, Result } from "./result.ts";
export type { StartOptions } from "./schedule.ts";
export type { Decision, Json, Reads, Records, Store } from "./store.ts";
export { type MemoryStore, memoryStore } from "./stores/memory.ts";
export type { SyncReport } from "./sync.ts";
export { type Tokens, type TokenStore, memoryTokens, storedTokens } from "./tokens.ts";
export type { ExportFile, ImportReport } from "./transfer.ts";
export type { Account, Conflict, ItemType, Session, Strategy } from "./types.ts";
export type { VersionedCollection, VersionPage } from "./versions.ts";
