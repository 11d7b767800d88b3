//! Functions and methods, and what their arguments are.

use super::token::is_any;
use crate::rules::{FUNCTIONS, RuleId, lower, words};

/// What an argument of a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// Secret by the rule.
    Secret(RuleId),
    /// Part of the value the call is assigned to (`md5('…')`).
    Part,
    /// Name of which the next argument is the value (`json_object('password', '…')`); the first name is the argument
    /// with this number.
    Pair(u32),
    /// Nothing of interest.
    Plain,
}

/// Functions that take the name of the algorithm first.
const SECOND_PART: &[&str] = &["hashbytes", "bindata"];

/// Whether the function fills a template, as `format` of PostgreSQL does.
pub(super) fn is_format(name: &str) -> bool {
    name.eq_ignore_ascii_case("format")
}

/// The argument of `format(template, …)` that fills `PASSWORD %L`, as the one before it.
pub(super) fn password_slot(template: &str) -> Option<u32> {
    const SLOTS: [&str; 9] = [
        "password %l",
        "password '%s'",
        "password = %l",
        "by %l",
        "by '%s'",
        "password=%s",
        "password=%l",
        "password='%s",
        "password = '%s",
    ];
    let lower = template.to_ascii_lowercase();
    let at = SLOTS.iter().find_map(|slot| lower.find(slot).map(|at| at + slot.rfind('%').unwrap_or_default()))?;
    u32::try_from(lower[..at].matches('%').count()).ok()
}

/// Whether a word may be a name of which the next argument is the value: `curl_setopt($c, CURLOPT_USERPWD, '…')`.
pub(super) fn takes_constants(name: &str) -> bool {
    is_any(name, &["setopt", "curl_setopt", "curl_easy_setopt"])
}

/// What argument `index` of a call to `name` is. `is_method` says that a dot stands before it.
pub(super) fn argument(name: &str, index: u32, is_method: bool) -> Argument {
    let mut buffer = [0; 32];
    let Some(name) = lower(name, &mut buffer) else { return Argument::Plain };
    if let Some(secrets) = FUNCTIONS.get(name)
        && let Some(secret) = secrets.iter().find(|s| s.argument == index && (is_method || !s.method))
    {
        return Argument::Secret(secret.rule);
    }
    if words::PAIRS.contains(name) {
        Argument::Pair(0)
    } else if words::PAIRS_BEHIND_DOCUMENT.contains(name) || is_format(name) {
        Argument::Pair(1)
    } else if words::ALL_PARTS.contains(name)
        || index == 0 && words::FIRST_PART.contains(name)
        || index == 1 && SECOND_PART.contains(&name)
    {
        Argument::Part
    } else {
        Argument::Plain
    }
}
