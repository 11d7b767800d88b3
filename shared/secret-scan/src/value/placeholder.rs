//! Stand-ins for secrets: masks, variables, templates, references, "your password here".

use super::shape::is_path;
use crate::rules::words;

/// Whether `value` stands in for a secret instead of holding one: empty, masked, a variable, a
/// template, a reference into a secret store, or a word such as `redacted`.
pub(crate) fn is_placeholder(value: &str) -> bool {
    let value = value.trim().trim_matches(|c| matches!(c, '"' | '\'' | '`' | '\\'));
    let value = value.trim();
    if value.is_empty() || is_mask(value) {
        return true;
    }
    if value.len() > 200 {
        return false;
    }
    let lower = value.to_lowercase();
    words::NOTHING.contains(&lower)
        || is_template(value)
        || is_variable(value)
        || is_upper_name(value)
        || is_regex(value)
        || words::REFERENCES.iter().any(|start| lower.starts_with(start))
        || is_example(&lower)
        || (lower.contains(' ') && words::STORES.iter().any(|store| lower.contains(store)))
}

/// `***`, `••••`, `xxxx`, `...`: one or two signs repeated that say nothing.
fn is_mask(value: &str) -> bool {
    let sign = |c: char| !c.is_alphanumeric() && !matches!(c, '!' | '$' | '@' | '&' | '+' | '=' | '^');
    let crosses = value.len() >= 3 && value.chars().all(|c| matches!(c, 'x' | 'X' | '-' | '_'));
    value.chars().all(sign) || crosses
}

/// `${…}`, `{{…}}`, `<…>`, `[…]`, `(…)`, `%…%`, `#{…}`, `__…__`, `%s`, `\1`.
fn is_template(value: &str) -> bool {
    const WRAPS: &[(&str, &str)] = &[
        ("${", "}"),
        ("$(", ")"),
        ("{", "}"),
        ("#{", "}"),
        ("<", ">"),
        ("%(", ")s"),
        ("@{", "}"),
        ("$[", "]"),
        ("$$(", ")"),
        ("%{", "}"),
        ("~{", "}"),
    ];
    let wrapped = |&(open, close): &(&str, &str)| value.starts_with(open) && value.ends_with(close);
    if WRAPS.iter().any(wrapped) && !value.contains(':') || value.starts_with("${{") {
        return true;
    }
    // `${VAR:-default}` carries its default, so only an empty one is a stand-in.
    if let Some(inner) = value.strip_prefix("${").and_then(|v| v.strip_suffix('}')) {
        // `${ENV:NAME}`: a reference with the kind of its store.
        let store = inner.split_once(':').map(|(store, _)| store.to_ascii_lowercase()).unwrap_or_default();
        if ["env", "file", "secret", "secrets", "vault", "ssm", "sys", "config", "aws"].contains(&store.as_str()) {
            return true;
        }
        if inner.contains(":?") {
            return true;
        }
        return inner.split_once(':').is_none_or(|(_, rest)| is_placeholder(rest.trim_start_matches(['-', '=', '?'])));
    }
    // What a shell puts in: `$(cat password.txt)`, also cut at the space.
    if value.starts_with("$(") && !value.starts_with("$(echo") || value.starts_with("{{") && value.ends_with("}}") {
        return true;
    }
    let inner = |open: char, close: char| value.strip_prefix(open).and_then(|v| v.strip_suffix(close));
    let wordy = |text: &str| text.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '_' | '-' | '.' | '*' | '\''));
    inner('[', ']').or_else(|| inner('(', ')')).is_some_and(wordy)
        || inner('%', '%').or_else(|| inner('@', '@')).is_some_and(|v| v.chars().all(is_name_char))
        || ['#', '~', '^'].into_iter().find_map(|sign| inner(sign, sign)).is_some_and(wordy)
        || value.strip_prefix("__").and_then(|v| v.strip_suffix("__")).is_some()
        || matches!(value, "%s" | "%v" | "%L" | "%I" | "%d" | "%q" | "%1$s" | "%1$L")
        || value.strip_prefix('\\').is_some_and(|v| v.len() == 1)
        // What is read from a file: `password=@/dev/stdin`
        || value.strip_prefix('@').is_some_and(is_path)
}

/// `$1`, `$DB_PASSWORD`, `:pw`, `@password`, `?1`: a parameter of SQL or of a shell.
fn is_variable(value: &str) -> bool {
    let mut chars = value.chars();
    let sign = chars.next();
    // SQL*Plus asks once for `&&name`.
    let name = chars.as_str().trim_start_matches(if sign == Some('&') { "&" } else { "" });
    if name.is_empty() || !name.chars().all(is_name_char) {
        return false;
    }
    let digits = name.chars().all(|c| c.is_ascii_digit());
    let upper = !name.chars().any(char::is_lowercase);
    let lower = name.to_ascii_lowercase();
    let telling = ["pass", "pw", "token", "secret", "key", "cred", "hash"].iter().any(|stem| lower.contains(stem));
    match sign {
        Some('$') => digits || upper && name.len() > 1 || telling,
        Some(':') => !name.starts_with(|c: char| c.is_ascii_digit()) || digits,
        Some('@') => telling,
        Some('?' | '&') => digits || telling,
        Some('%') => name == "s",
        _ => false,
    }
}

/// `DB_PASSWORD`, `PASSWORD`, `API_KEY`: the name of a variable where its value would be.
fn is_upper_name(value: &str) -> bool {
    const ENDS: &[&str] =
        &["PASS", "PASSWD", "PASSWORD", "PWD", "TOKEN", "SECRET", "CREDENTIALS", "PASSPHRASE", "APIKEY"];
    // Words such as `MONKEY` end like these.
    const WORDS: &[&str] = &["KEY", "HERE"];
    let shape = value.chars().all(|c| c.is_ascii_uppercase() || matches!(c, '_' | ' ' | '-'));
    let last = value.rsplit(['_', ' ', '-']).next().unwrap_or_default();
    shape && (ENDS.iter().any(|end| value.ends_with(end)) || WORDS.contains(&last))
}

/// A regular expression that finds passwords, as in `regexp_replace(dsn, ':[^@]+@', …)`.
fn is_regex(value: &str) -> bool {
    ["[^", ".*", ".+", "\\S+", "\\w+", "(.", "[a-z", "[A-Z", "(?"].iter().any(|part| value.contains(part))
}

/// "your_password_here", "ENTER-TOKEN", "replace_me".
fn is_example(lower: &str) -> bool {
    words::EXAMPLE_STARTS.iter().any(|start| {
        lower.strip_prefix(start).is_some_and(|rest| {
            rest.is_empty() && start != "your"
                || rest.starts_with(['_', '-', ' '])
                || start == "your" && names_secret(rest)
        })
    }) || lower.ends_with("_here")
        || lower.ends_with("-here")
        || lower.ends_with(" here")
        || lower.ends_with("goes here")
        || lower.ends_with("placeholder")
}

fn names_secret(rest: &str) -> bool {
    ["pass", "token", "secret", "api", "key"].iter().any(|stem| rest.starts_with(stem))
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}
