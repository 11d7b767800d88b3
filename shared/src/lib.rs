//! What the functions of the sync backend have in common.
//!
//! The arrows between the modules point one way: [`models`] knows nothing of the rest; [`sync`] and the traits in
//! [`storage`] know only the models; the backends know the traits; [`http`] ties requests to both. The test
//! `tests/architecture` holds this in place.

pub mod auth;
pub mod clock;
pub mod config;
pub mod deletion;
pub mod http;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "mail")]
pub mod mail;
pub mod models;
pub mod storage;
pub mod sync;
pub mod telemetry;
