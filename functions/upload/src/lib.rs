//! The `upload` function: takes what a device has changed.

mod request;
mod response;
mod service;
mod upload;

pub use service::Uploads;

shared::endpoints!(Uploads: upload::upload);
