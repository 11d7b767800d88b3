//! Every route of every function behind one address, on stores of this machine.

mod edge;
mod openapi;
mod server;
mod signing_key;
mod studio;

pub use openapi::document;
pub use server::serve;
pub use signing_key::ensure_signing_key;
pub use studio::Studio;
