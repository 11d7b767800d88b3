// Aliases of the generated types: see main.rs.
import type { components } from "../../target/client/api.js";

export type { paths } from "../../target/client/api.js";

type Schemas = components["schemas"];

export type Action = Schemas["Action"];
export type Authenticated = Schemas["Authenticated"];
export type Change = Schemas["Change"];
export type Conflict = Schemas["Conflict"];
export type Current = Schemas["Current"];
export type DownloadResponse = Schemas["DownloadResponse"];
export type ErrorBody = Schemas["Error"];
export type ErrorCode = Schemas["ErrorCode"];
export type ItemType = Schemas["ItemType"];
export type QueryHistory = Schemas["QueryHistory"];
export type ResolveRequest = Schemas["ResolveRequest"];
export type SavedQuery = Schemas["SavedQuery"];
export type Session = Schemas["Session"];
export type Strategy = Schemas["Strategy"];
export type UploadResponse = Schemas["UploadResponse"];
export type UploadRequest = Schemas["UploadRequest"];
export type VersionRecord = Schemas["VersionRecord"];
export type Winner = Schemas["Winner"];
