//! The `conflicts` function: shows conflicts and settles them.

mod list;
mod resolve;
mod service;

pub use service::Conflicts;

shared::endpoints!(
    Conflicts:
    list::list,
    resolve::resolve,
);
