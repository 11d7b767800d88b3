// What the types say, and what they refuse; nothing of it is run.
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
import { type Api, told } from "./calls.js";

/** `any` is the same as nothing but `any`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function same<A, B>(_is: Same<A, B>): void {}

// Words are unions of literals, times are strings.
same<ItemType, "connection" | "saved_query" | "query_history">(true);
same<Action, "create" | "update" | "delete">(true);
same<Strategy, "last_write_wins" | "keep_both" | "user_choice">(true);
same<Winner, "local" | "remote" | "merged">(true);
same<Authenticated["expires_at"] | Session["last_seen_at"], string>(true);
same<Authenticated["user"]["role"], "user">(true);

// What may be missing is optional, and never null.
same<Conflict["winner"], Winner | undefined>(true);
same<Conflict["detected_at"], string>(true);
same<ErrorBody["details"], { field: string; message: string }[] | undefined>(true);

/** What calls are answered. */
export async function answers(api: Api): Promise<void> {
  const download = told(await api.GET("/api/sync/download", { params: { query: { device_id: "phone" } } }));
  same<(typeof download.connections)[number]["type"], "postgres" | "mysql" | "sqlite" | "mongodb">(true);
  same<(typeof download.deleted)[number]["item_type"], ItemType>(true);
  const failed = await api.GET("/api/auth/profile");
  same<NonNullable<typeof failed.error>["code"], ErrorBody["code"]>(true);
  if (failed.error === undefined) {
    same<typeof failed.data.user.created_at, string>(true);
  }
}

/** What cannot be asked for. */
export async function mistakes(api: Api): Promise<void> {
  // @ts-expect-error: the device is missing
  await api.GET("/api/sync/download", { params: { query: { limit: 1 } } });
  // @ts-expect-error: there is no such status
  await api.GET("/api/sync/conflicts", { params: { query: { status: "closed" } } });
  // @ts-expect-error: the password is missing
  await api.POST("/api/auth/login", { body: { username: "ada" } });
  // @ts-expect-error: an upload is not an array of numbers
  await api.POST("/api/sync/upload", { body: [31, 139] });
  // @ts-expect-error: there is no such route
  await api.GET("/api/sync/nothing");
}

/** What cannot be sent. */
export const refusals: (Change | UploadRequest | ResolveRequest)[] = [
  // @ts-expect-error: there is no such kind
  { item_type: "query", item_id: "orders", action: "delete" } satisfies Change,
  // @ts-expect-error: nor such an action
  { item_type: "saved_query", item_id: "orders", action: "remove" } satisfies Change,
  // @ts-expect-error: the query has no text
  { item_type: "saved_query", item_id: "orders", action: "create", data: { name: "Orders" } } satisfies Change,
  // @ts-expect-error: there is no such strategy
  { device_id: "phone", changes: [], conflict_strategy: "newest" } satisfies UploadRequest,
  // @ts-expect-error: one chooses one of two
  { strategy: "user_choice", chosen_version: "merged" } satisfies ResolveRequest,
];
