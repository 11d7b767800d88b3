//! Fault injection: stores and the email provider are down, slow or silent, or lose responses. The service fails in time,
//! stays consistent, and recovers by itself.

mod account_deletion;
mod email_provider;
mod encryption;
mod failover;
mod lists;
mod lost_responses;
mod outages;
mod outbox_worker;
mod passwords;
mod pooler;
mod proxied_service;
mod redis_cluster;
mod round_trips;
mod secrets;
mod stale_connections;
