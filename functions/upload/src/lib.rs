//! The `upload` function: takes what a device has changed.

mod answer;
mod request;
mod service;
mod upload;

pub use service::Uploads;

shared::endpoints!(Uploads: upload::upload);
