//! Tests of conflicts and resolutions without a database: named cases, and properties with random uploads.

mod cases;
mod history;
mod memory_store;
mod merges;
mod properties;
mod refusals;

use memory_store::{MemoryStore, applied, at_second, change, delete, key, query_of, upload};
