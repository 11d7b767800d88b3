//! Finds credentials in JSON values.
//!
//! Credentials are passwords, SSH keys, private keys, passphrases and tokens
//! in any field at any depth; metadata keys of that kind; URLs with a password in them; PEM
//! blocks; and SQL statements that set a password. A query that only names such a column
//! (`SELECT password FROM users`) is no credential.
//!
//! Every string goes through one cheap pass (`trigger`), and is searched for `user:password@host`. Only what the
//! pass points at is looked at more closely: known formats (`tokens`, `pem`), addresses (`urls`), command lines
//! (`command`, `shell`), prompts (`console`, `positions`), settings (`settings`), notes (`notes`), dumps (`copied`),
//! `name=value` pairs in text (`pairs`, which asks `links` how a value is linked to a name, `context` what stands around it
//! and `pair_value` whether it looks like one) and statements (`sql`). What a name says is decided in `names` by the lists of
//! `words`, what a value looks like in `value` and `placeholder`.
//!
//! Decisions where the rule leaves room:
//! - A path to a key file is no credential (`ssh_key_path`); a field called `ssh_key` or
//!   `private_key` is refused whatever text it holds.
//! - `changeme`, `password` and `secret` are passwords. Stand-ins pass: empty values, masks,
//!   variables, templates, references into a secret store, `your_password`, `REDACTED`.
//! - Every PEM block is refused, certificates and public keys too; naming its first line is not.
//! - A literal that is assigned to or compared with a secret column is refused, unless it is a
//!   hash; a hash in `CREATE ROLE … PASSWORD` is refused, since it sets the password as well.
//! - Keys and passphrases handed to encryption functions as literals are refused.

mod around;
mod command;
mod console;
mod context;
mod copied;
mod field;
mod field_login;
mod links;
mod names;
mod notes;
mod pair_value;
mod pairs;
mod pem;
mod placeholder;
mod positions;
mod settings;
mod shell;
mod sql;
mod tokens;
mod trigger;
mod urls;
mod value;
mod words;

#[cfg(test)]
mod cases;

use std::fmt;

pub use names::Secret;
use serde_json::{Map, Value};

/// What was found and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path of the value, such as `data.metadata.api_key` or `data.tags[2]`.
    pub path: String,
    /// Why the value there is taken for a credential.
    pub kind: Kind,
}

/// Why a value is taken for a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The name of the field says so.
    Field(Secret),
    /// A URL or connection string with a password between user and host.
    UrlPassword,
    /// `password=…` or `token: …` inside a text, a connection string or a URL's query.
    Pair(Secret),
    /// A PEM, OpenSSH, PGP or PuTTY block.
    PemBlock,
    /// A token in a well-known format.
    KnownToken,
    /// A password given to a program on its command line.
    CommandLine,
    /// A statement or call that sets a password.
    SetsPassword,
    /// A literal assigned to or compared with a column named as a secret.
    Literal(Secret),
    /// A literal key or passphrase handed to an encryption function.
    EncryptionKey,
}

impl Kind {
    /// One sentence part a person can act on, to follow the field's path. Never quotes the value.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Field(secret) => match secret {
                Secret::Password => "holds a password (field name)",
                Secret::Passphrase => "holds a passphrase (field name)",
                Secret::PrivateKey => "holds a private key (field name)",
                Secret::Key => "holds an access key (field name)",
                Secret::Token => "holds a token (field name)",
                Secret::Secret => "holds a secret (field name)",
                Secret::Credentials => "holds credentials (field name)",
            },
            Self::UrlPassword => "holds a URL with a password in it; leave the password out of the URL",
            Self::Pair(secret) => match secret {
                Secret::Password => "holds a password written as name and value",
                Secret::Passphrase => "holds a passphrase written as name and value",
                Secret::PrivateKey | Secret::Key => "holds a key written as name and value",
                Secret::Token => "holds a token written as name and value",
                Secret::Secret | Secret::Credentials => "holds a secret written as name and value",
            },
            Self::PemBlock => "holds a key or certificate block (PEM)",
            Self::KnownToken => "holds an access token or key in a well-known format",
            Self::CommandLine => "holds a command line with a password in it",
            Self::SetsPassword => {
                "holds a statement that sets or gives a password; use a parameter instead of the literal"
            }
            Self::Literal(_) => "holds a literal for a secret column; use a parameter instead of the literal",
            Self::EncryptionKey => "holds the key of an encryption function; use a parameter instead of the literal",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.kind)
    }
}

/// The first credential in the JSON of one change, or None.
///
/// Fields are visited in the order of the map. The recursion is safe because `serde_json` parses
/// at most 128 levels.
#[must_use]
pub fn find(change: &Value) -> Option<Finding> {
    in_value(change, "").map(finding)
}

/// The first credential in the fields of one change, or None.
#[must_use]
pub fn find_below(change: &Map<String, Value>) -> Option<Finding> {
    in_object(change, false).map(finding)
}

/// Joins two paths, either of which may be empty.
fn join(parent: &str, child: &str) -> String {
    let separator = if child.is_empty() || child.starts_with('[') { "" } else { "." };
    format!("{parent}{separator}{child}")
}

fn finding((path, kind): (String, Kind)) -> Finding {
    // Empty if the name of a top-level field is itself the credential.
    let path = if path.is_empty() { "change".to_owned() } else { path };
    Finding { path, kind }
}

/// Searches `value`, which is held by the field `name`. The path grows on the way back, so a
/// clean change costs no allocation for it.
fn in_value(value: &Value, name: &str) -> Option<(String, Kind)> {
    match value {
        Value::String(text) => in_text(text, name).map(|kind| (String::new(), kind)),
        Value::Array(items) if field::is_pair(items) => Some(("[1]".to_owned(), Kind::Pair(Secret::Password))),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(i, item)| in_value(item, name).map(|(path, kind)| (join(&format!("[{i}]"), &path), kind))),
        Value::Object(fields) => in_object(fields, field::is_layout(name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// `layout` says that the names are those of columns shown on a screen.
fn in_object(fields: &Map<String, Value>, layout: bool) -> Option<(String, Kind)> {
    if let Some((field, secret)) = field::described(fields).or_else(|| field_login::found(fields)) {
        return Some((field.to_owned(), Kind::Field(secret)));
    }
    fields.iter().find_map(|(name, value)| {
        let below = || in_value(value, name).map(|(path, kind)| (join(name, &path), kind));
        if field::is_known(name) {
            return below();
        }
        // A key that is itself a credential must not show up in the path.
        if let Some(kind) = in_text(name, "") {
            return Some((String::new(), kind));
        }
        if let Some(secret) =
            field::secret(name, value).filter(|_| !layout || value.as_str().is_some_and(value::is_opaque))
        {
            return Some((name.clone(), Kind::Field(secret)));
        }
        below()
    })
}

/// Searches one string, the value of the field `name`.
fn in_text(text: &str, name: &str) -> Option<Kind> {
    let found = trigger::families(text);
    let has = |family: u8| found & family != 0;
    if has(trigger::PEM) && pem::has_block(text) {
        return Some(Kind::PemBlock);
    }
    if urls::has_login(text) || (has(trigger::URL) && urls::has_password(text)) {
        return Some(Kind::UrlPassword);
    }
    if has(trigger::TOKEN) && tokens::has_token(text) {
        return Some(Kind::KnownToken);
    }
    if has(trigger::COMMAND) && command::has_password(text) {
        return Some(Kind::CommandLine);
    }
    if has(trigger::NAME) && (settings::has_secret(text) || notes::has_password(text) || copied::has_secret(text)) {
        return Some(Kind::Pair(Secret::Password));
    }
    if has(trigger::SQL) || has(trigger::NAME) && pairs::names_secret(text) {
        return sql::in_text(text, matches!(name, "query" | "sql" | "statement"));
    }
    None
}
