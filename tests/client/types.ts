// Compile-time tests of the generated types. This code is not run.
import type {
  Action,
  Authenticated,
  Change,
  Conflict,
  ErrorBody,
  ItemType,
  ResolveRequest,
  Session,
  Strategy,
  UploadRequest,
  Winner,
} from "./api.js";
import { type Api, expectSuccess } from "./calls.js";

/** Type equality; `any` equals only `any`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function assertSame<A, B>(_is: Same<A, B>): void {}

// Enumerations are unions of literals, times are strings.
assertSame<ItemType, "connection" | "saved_query" | "query_history">(true);
assertSame<Action, "create" | "update" | "delete">(true);
assertSame<Strategy, "last_write_wins" | "keep_both" | "user_choice" | "merge" | "refuse">(true);
assertSame<Winner, "local" | "remote" | "merged">(true);
assertSame<Authenticated["expires_at"] | Session["last_seen_at"], string>(true);
assertSame<Authenticated["user"]["role"], "user">(true);

// Absent fields are optional, never null.
assertSame<Conflict["winner"], Winner | undefined>(true);
assertSame<Conflict["detected_at"], string>(true);
type FieldError = { field: string; message: string; rule?: string; start?: number; end?: number };
assertSame<ErrorBody["details"], FieldError[] | undefined>(true);

/** Types of responses. */
export async function responses(api: Api): Promise<void> {
  const download = expectSuccess(await api.GET("/api/sync/download", { params: { query: { device_id: "phone" } } }));
  assertSame<(typeof download.connections)[number]["type"], "postgres" | "mysql" | "sqlite" | "mongodb">(true);
  assertSame<(typeof download.deleted)[number]["item_type"], ItemType>(true);
  const failed = await api.GET("/api/auth/profile");
  assertSame<NonNullable<typeof failed.error>["code"], ErrorBody["code"]>(true);
  if (failed.error === undefined) {
    assertSame<typeof failed.data.user.created_at, string>(true);
  }
}

/** Requests that must not compile. */
export async function mistakes(api: Api): Promise<void> {
  // @ts-expect-error: the device is missing
  await api.GET("/api/sync/download", { params: { query: { limit: 1 } } });
  // @ts-expect-error: unknown status
  await api.GET("/api/sync/conflicts", { params: { query: { status: "closed" } } });
  // @ts-expect-error: the password is missing
  await api.POST("/api/auth/login", { body: { username: "ada" } });
  // @ts-expect-error: an upload is not an array of numbers
  await api.POST("/api/sync/upload", { body: [31, 139] });
  // @ts-expect-error: unknown route
  await api.GET("/api/sync/nothing");
}

/** Bodies that must not compile. */
export const refusals: (Change | UploadRequest | ResolveRequest)[] = [
  // @ts-expect-error: unknown item type
  { item_type: "query", item_id: "orders", action: "delete" } satisfies Change,
  // @ts-expect-error: unknown action
  { item_type: "saved_query", item_id: "orders", action: "remove" } satisfies Change,
  // @ts-expect-error: the query has no text
  { item_type: "saved_query", item_id: "orders", action: "create", data: { name: "Orders" } } satisfies Change,
  // @ts-expect-error: unknown strategy
  { device_id: "phone", changes: [], conflict_strategy: "newest" } satisfies UploadRequest,
  // @ts-expect-error: only local and remote can be chosen
  { strategy: "user_choice", chosen_version: "merged" } satisfies ResolveRequest,
];
