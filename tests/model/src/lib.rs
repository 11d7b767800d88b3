//! Sequential specification of the API, and a linearizability check of concurrent histories against it.
//!
//! [`Model`] stores one account and its sync data in maps and applies one atomic step at a time. It implements the
//! contract of the API and shares no code with the service: it has no batches, no tables and no compare-and-swap.
//! [`linearize`] decides whether some order of the steps of concurrent calls that respects real time explains every
//! response.
//!
//! The model takes ids that the service generates (conflicts, copies, tokens) and server times from the responses. It
//! checks that they are new or unchanged, as the contract requires.

mod account;
mod call;
mod conflicts;
mod data;
mod linearizability;
mod page;
mod steps;
mod uploads;

pub use account::{Account, EmailLink};
pub use call::{
    Change, ChangeResult, Choice, Conflict, Content, Edit, Email, EmailKind, Key, Page, PageItem, Request, Resolution,
    Response, Side, Status, Upload, UploadResponse,
};
pub use conflicts::SeenState;
pub use data::{Data, Stored};
pub use linearizability::{Call, NotLinearizable, linearize};
pub use steps::{Model, Progress};

/// Reason why a response violates the contract.
pub type Mismatch = String;

/// Returns an error that describes `what`, unless both values are equal.
fn expect_equal<T: PartialEq + std::fmt::Debug>(what: &str, actual: &T, expected: &T) -> Result<(), Mismatch> {
    if actual == expected { Ok(()) } else { Err(format!("{what} is {actual:?}, expected {expected:?}")) }
}
