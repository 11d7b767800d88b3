//! Settings, read from environment variables when a process starts.
//!
//! Each concern has a small struct of its own, whose `from_env` reads an [`Env`]. A function reads those that it needs.
//! `functions/README.md` lists all variables. No setting has a dangerous default: there is no default signing key, for example.

mod auth;
mod breaches;
mod email;
mod env;
mod error;
mod http;
mod postgres;
mod redis;
mod sync;
mod telemetry;
mod turso;

pub use auth::AuthConfig;
pub use breaches::BreachConfig;
pub use email::{EmailConfig, ResendConfig};
pub use env::Env;
pub use error::ConfigError;
pub use http::{AllowedOrigins, HttpConfig};
pub use postgres::PostgresConfig;
pub use redis::RedisConfig;
pub use sync::SyncConfig;
pub use telemetry::TelemetryConfig;
pub use turso::{TursoConfig, TursoDatabase};

#[cfg(test)]
mod tests;
