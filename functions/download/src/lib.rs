//! The `download` function: hands out what has changed, and says how things stand.

mod download;
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
