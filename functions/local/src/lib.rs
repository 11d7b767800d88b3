//! Every route of every function behind one address, on stores of this machine or on the servers that the settings name.

mod app;
mod config;
mod connections;
mod edge;
mod home;
mod metrics;
mod openapi;
mod proxies;
mod server;
mod signing_key;
mod stores;

pub use app::App;
pub use config::{Config, LoadError, StoresConfig, existing_auth_config};
pub use connections::ConnectionLimits;
pub use metrics::{Metrics, MetricsError};
pub use openapi::document;
pub use proxies::TrustedProxies;
pub use server::{Stop, serve, with_edge};
pub use signing_key::KeyFileError;
pub use stores::{MigrateError, OpenError, Stores};
