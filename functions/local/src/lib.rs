//! Every route of every function behind one address, on stores of this machine or on the servers that the settings name.

mod app;
mod edge;
mod metrics;
mod openapi;
mod server;
mod signing_key;
mod stores;

pub use app::App;
pub use metrics::Metrics;
pub use openapi::document;
pub use server::serve;
pub use signing_key::ensure_signing_key;
pub use stores::Stores;
