//! Types that exist for the OpenAPI document alone: bounds that a Rust type does not carry.

use serde::Serialize;
use utoipa::ToSchema;

/// Version of an item: higher after every write, often by one. 0 for an item that the device has never seen.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = SyncVersion, value_type = i64, minimum = 0, maximum = 9007199254740991i64)]
pub struct SyncVersionSchema(i64);

/// Number of things counted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = Count, value_type = i64, minimum = 0, maximum = 9007199254740991i64)]
pub struct CountSchema(i64);

/// UUID, in lower case with hyphens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(as = Uuid, value_type = String, format = Uuid, min_length = 36, max_length = 36)]
pub struct UuidSchema(String);
