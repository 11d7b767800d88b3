//! Sequential specification of the API, and a linearizability check of concurrent histories against it.
//!
//! [`Model`] stores one account and its sync data in maps and applies one atomic step at a time. It implements the
//! contract of the API and shares no code with the service: it has no batches, no tables and no compare-and-swap.
//! [`linearize`] decides whether some order of the steps of concurrent calls that respects real time explains every
//! response.
//!
//! The model takes ids that the service generates (conflicts, copies, tokens) from the responses, and checks that they are
//! new or unchanged, as the contract requires.

mod account;
mod call;
mod conflicts;
mod data;
mod linearizability;
mod page;
mod response;
mod steps;
mod uploads;
mod versions;

pub use account::{Account, EmailLink};
pub use call::{Change, Choice, Content, Edit, Key, Request, Upload};
pub use conflicts::SeenState;
pub use data::{Data, Stored};
pub use linearizability::{Call, NotLinearizable, linearize};
pub use response::{
    ChangeResult, Conflict, Current, Effect, Email, EmailKind, KeptVersion, Page, PageItem, Resolution, Response, Side,
    Status, UploadResponse,
};
pub use steps::{Model, Progress};

/// Reason why a response violates the contract.
pub type Mismatch = String;

/// Returns an error that describes `what`, unless both values are equal.
fn expect_equal<T: PartialEq + std::fmt::Debug>(what: &str, actual: &T, expected: &T) -> Result<(), Mismatch> {
    if actual == expected { Ok(()) } else { Err(format!("{what} is {actual:?}, expected {expected:?}")) }
}

/// Checks that `response` is an error with the status `expected`.
fn expect_status(response: &Response, expected: u16) -> Result<(), Mismatch> {
    if response.is_refused(expected) { Ok(()) } else { Err(format!("{response:?}, expected {expected}")) }
}

/// Checks that `response` is an error with the code `expected`.
fn expect_code(response: &Response, expected: &str) -> Result<(), Mismatch> {
    if response.has_code(expected) { Ok(()) } else { Err(format!("{response:?}, expected {expected}")) }
}
