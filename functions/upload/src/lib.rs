//! The `upload` function: receives the changes of a device.

mod examples;
mod request;
mod response;
mod service;
mod upload;

pub use service::Uploads;

shared::endpoints!(Uploads: upload::upload);
