import type { components } from "./openapi.ts";

/** Schemas of the API, generated from its OpenAPI document. */
export type Schemas = components["schemas"];

/** User account. */
export interface Account extends Readonly<Schemas["User"]> {}
/** Edit as it is uploaded. */
export type Change = Schemas["Change"];
/** Edit that conflicted with one of another device, with both versions. */
export interface Conflict extends Readonly<Schemas["Conflict"]> {}
export type Current = Schemas["Current"];
export type DigestOfPage = Schemas["Digest"];
export type DownloadPage = Schemas["DownloadResponse"];
/** Type of an item. */
export type ItemType = Schemas["ItemType"];
export type Limits = Schemas["Limits"];
/** Login of a device. */
export interface Session extends Readonly<Schemas["Session"]> {}
/** What becomes of an item that two devices have edited. */
export type Strategy = Schemas["Strategy"];
export type UploadRequest = Schemas["UploadRequest"];
export type UploadResponse = Schemas["UploadResponse"];
export type VersionRecord = Schemas["KeptVersion"];
