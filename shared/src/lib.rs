//! What the functions of the sync backend have in common.
//!
//! The arrows that matter point one way: [`models`] knows nothing of the rest; [`sync`] knows only the models; the traits in
//! [`storage`] know only these two; the backends know the traits; [`http`] ties requests to them. `tests/architecture`
//! holds the first three in place.

pub mod account_eraser;
pub mod auth;
pub mod clock;
pub mod config;
pub mod contention;
pub mod error_text;
pub mod http;
pub mod http_client;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "mail")]
pub mod mail;
pub mod models;
pub mod root_certificates;
#[cfg(feature = "schedule")]
pub mod schedule;
pub mod secret;
#[cfg(feature = "secrets")]
pub mod secrets_manager;
pub mod storage;
pub mod sync;
pub mod telemetry;
