import type { ItemFields } from "./collection.ts";
import type { Schemas } from "./types.ts";

/** Fields of the application's own, by collection. The service stores them unchanged: at most 64 and 16 KiB of JSON per item. */
export interface ExtraFields {
  /** Fields of connections. */
  readonly connection?: object;
  /** Fields of saved queries. */
  readonly savedQuery?: object;
  /** Fields of entries of the query history. */
  readonly history?: object;
}

/** Names of credentials: the service refuses them, so the types do. */
interface NoCredentials {
  readonly password?: never;
  readonly passphrase?: never;
  readonly private_key?: never;
  readonly secret?: never;
  readonly ssh_key?: never;
  readonly ssh_password?: never;
  readonly token?: never;
}

type Extra<T> = T extends object ? T : unknown;

/** Item of an application with the fields `T` of its own, as it is read. The service and the client leave absent fields out. */
type Read<Content, T> = { [K in keyof Content]: Exclude<Content[K], null> } & ItemFields & Extra<T>;

/** Value as it is written: lists may be constant, and metadata have no credentials either. */
type Written<V> = V extends readonly (infer Element)[] ? readonly Element[] : V extends object ? V & NoCredentials : V;

/** Fields as they are written: optional ones may be `undefined`, which leaves them out. */
type WrittenFields<T> = { [K in keyof T]: {} extends Pick<T, K> ? Written<T[K]> | undefined : Written<T[K]> };

/** Item of an application with the fields `T` of its own, as it is written. */
type Write<Content, T> =
  WrittenFields<Content & Partial<ItemFields> & Partial<{ [K in keyof Extra<T>]: Extra<T>[K] | null }>> & NoCredentials;

/** Connection template, as it is read. */
export type Connection<E extends ExtraFields = {}> = Read<Schemas["Connection"], E["connection"]>;
/** Connection template, as it is written. */
export type ConnectionInput<E extends ExtraFields = {}> = Write<Schemas["Connection"], E["connection"]>;
/** Saved query, as it is read. */
export type SavedQuery<E extends ExtraFields = {}> = Read<Schemas["SavedQuery"], E["savedQuery"]>;
/** Saved query, as it is written. */
export type SavedQueryInput<E extends ExtraFields = {}> = Write<Schemas["SavedQuery"], E["savedQuery"]>;
/** Entry of the query history, as it is read. */
export type HistoryEntry<E extends ExtraFields = {}> = Read<Schemas["QueryHistory"], E["history"]>;
/** Entry of the query history, as it is written. */
export type HistoryEntryInput<E extends ExtraFields = {}> = Write<Schemas["QueryHistory"], E["history"]>;
