#![doc = include_str!("../README.md")]
//!
//! # What counts as a credential
//!
//! Passwords, SSH keys, private keys, passphrases and tokens in any field at any depth; metadata keys of that kind; URLs with
//! a password in them; PEM blocks; and SQL statements that set a password. A query that only names such a column (`SELECT
//! password FROM users`) is no credential. Where the rules leave room:
//!
//! - A path to a key file is no credential (`ssh_key_path`); a field called `ssh_key` or `private_key` is refused whatever
//!   text it holds.
//! - `changeme`, `password` and `secret` are passwords. Stand-ins pass: empty values, masks, variables, templates, references
//!   into a secret store, `your_password`, `REDACTED`.
//! - Every PEM block is refused, certificates and public keys too; naming its first line is not.
//! - A literal that is assigned to or compared with a secret column is refused, unless it is a hash; a hash in `CREATE ROLE …
//!   PASSWORD` is refused, since it sets the password as well.
//! - Keys and passphrases handed to encryption functions as literals are refused.

mod budget;
mod detect;
mod finding;
mod json;
mod literal;
mod names;
mod rules;
mod sql;
mod text;
mod value;

use serde_json::{Map, Value};

pub use finding::{Finding, Span, TooDense};
pub use rules::{Rule, rules};

/// Returns the first credential in the JSON of one change. Fields are visited in the order of the map.
///
/// # Errors
/// When a text is too dense to be searched.
pub fn find(change: &Value) -> Result<Option<Finding>, TooDense> {
    json::find(|search| search.value(change, "", None))
}

/// Returns the first credential in the fields of one change. Fields are visited in the order of the map.
///
/// # Errors
/// When a text is too dense to be searched.
pub fn find_in_fields(change: &Map<String, Value>) -> Result<Option<Finding>, TooDense> {
    json::find(|search| search.object(change, false, None))
}
