//! The `conflicts` function: lists and resolves conflicts, and restores versions.

mod examples;
mod list;
mod resolve;
mod restore;
mod service;

pub use service::Conflicts;

shared::endpoints!(
    Conflicts:
    list::list,
    resolve::resolve,
    restore::restore,
);
