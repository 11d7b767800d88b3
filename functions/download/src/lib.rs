//! The `download` function: returns changes, the versions of an item, the sync status and the limits.

mod digest;
mod download;
mod examples;
mod limits;
mod service;
mod status;
mod versions;

pub use service::Downloads;

shared::endpoints!(
    Downloads:
    download::download,
    status::status,
    limits::limits,
    versions::versions,
);
