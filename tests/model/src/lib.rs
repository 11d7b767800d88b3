//! A plain, sequential model of what clients are promised, and a check of concurrent histories against it.
//!
//! [`Model`] holds one account and its sync data as simple maps and applies one atomic step at a time. It is written from
//! the contract and shares no code with the service: it knows nothing of batches, receipts tables or compare-and-swap.
//! [`linearize`] decides whether some order of the steps of concurrent calls, which respects real time, explains every
//! answer.
//!
//! Ids that the service chooses (conflicts, copies, tokens) and the times that it gives out are taken from the answers; the
//! model checks that they are new where they must be new, and the same where they must be the same.

mod account;
mod call;
mod conflicts;
mod data;
mod history;
mod page;
mod steps;
mod uploads;

pub use account::{Account, Link};
pub use call::{
    Applied, Change, Choice, Conflict, Content, Edit, Key, Mail, MailKind, Page, PageItem, Request, Response, Settled,
    Side, Status, Upload, Uploaded,
};
pub use conflicts::Seen;
pub use data::{Data, Stored};
pub use history::{Call, NotLinearizable, linearize};
pub use steps::{Model, Progress};

/// Why the model cannot explain an answer.
pub type Mismatch = String;

/// Fails with a description unless both are equal.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, instrumented: &T, expected: &T) -> Result<(), Mismatch> {
    if instrumented == expected { Ok(()) } else { Err(format!("{what} is {instrumented:?}, expected {expected:?}")) }
}
