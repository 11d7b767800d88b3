//! The `download` function: returns changes, the sync status and the limits.

mod download;
mod examples;
mod limits;
mod service;
mod status;

pub use service::Downloads;

shared::endpoints!(
    Downloads:
    download::download,
    status::status,
    limits::limits,
);
