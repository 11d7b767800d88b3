//! The `conflicts` function: lists and resolves conflicts.

mod examples;
mod list;
mod resolve;
mod service;

pub use service::Conflicts;

shared::endpoints!(
    Conflicts:
    list::list,
    resolve::resolve,
);
