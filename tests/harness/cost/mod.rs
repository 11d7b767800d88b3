//! Processor time of requests: hostile requests as [`Recipe`]s, and a [`Stage`] on which they are measured.

mod account;
mod filler;
mod honest;
mod json;
mod packing;
mod recipe;
mod stage;
mod text;

pub use filler::Filler;
pub use honest::honest_upload;
pub use json::Json;
pub use packing::{Format, Packing};
pub use recipe::{Prepared, Recipe};
pub use stage::{Live, Measured, Stage, described_routes};
pub use text::Text;
