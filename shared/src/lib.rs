//! Code shared by the functions of the sync backend.
//!
//! Dependencies point in one direction: [`models`] depends on no other module; [`sync`] depends on the models only; the
//! traits in [`storage`] depend on these two only; the backends implement the traits; [`http`] connects requests to them.
//! `tests/architecture` checks the first three rules.

pub mod account_eraser;
pub mod auth;
#[cfg(feature = "secrets")]
pub mod aws_sdk;
pub mod breaches;
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
#[cfg(feature = "parameters")]
pub mod parameter_store;
pub mod placement;
pub mod private_files;
pub mod root_certificates;
#[cfg(feature = "schedule")]
pub mod schedule;
pub mod secret;
#[cfg(feature = "secrets")]
pub mod secrets_manager;
pub mod storage;
pub mod sync;
pub mod telemetry;
