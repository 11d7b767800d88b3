//! Tests of conflicts and resolutions without a database: named cases, and properties with random uploads.

mod cases;
mod memory_store;
mod merges;
mod properties;

use memory_store::{MemoryStore, at_second, change, delete, key, query_of, upload};
