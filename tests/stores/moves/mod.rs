//! Moves of users between databases: [`UserMoves::move_user`](shared::storage::UserMoves::move_user).

mod completeness;
mod concurrency;
mod deletions;
mod duplicates;
mod hints;
mod interceptor;
mod interruptions;
mod outage;
mod purges;
mod restores;
mod schema;
mod world;
