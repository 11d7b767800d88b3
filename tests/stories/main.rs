//! User stories, endpoint by endpoint.

mod accounts;
mod bodies;
mod conflict_resolution;
mod conflicts;
mod downloads;
mod email_links;
mod helpers;
mod idempotency;
mod legacy_clients;
mod merges;
mod middleware;
mod purge;
mod quota;
mod rate_limits;
mod sync_clients;
mod uploads;
mod versions;
