//! Passwords between user and host: `scheme://user:password@host` and its relatives.
//!
//! Passwords in the query of a URL (`?password=…`) are found by `pairs`.

use super::{
    around::{head, tail},
    trigger, value,
};

/// How far an address is followed; passwords are shorter, and the bound keeps the search linear.
const WINDOW: usize = 512;

/// Whether `text` holds a URL or driver address with a password in it.
pub(super) fn has_password(text: &str) -> bool {
    trigger::hits(text).filter(|(_, family)| family & trigger::URL != 0).any(|(at, _)| {
        let rest = &text[at..];
        if let Some(rest) = rest.strip_prefix("://") {
            let scheme = text[..at].bytes().next_back().is_some_and(|b| b.is_ascii_alphanumeric());
            scheme && authority_has_password(window(rest))
        } else if rest.starts_with('@') {
            go_mysql(&text[..at])
        } else {
            oracle_thin(window(rest))
        }
    })
}

fn window(text: &str) -> &str {
    head(text, WINDOW)
}

/// The part between `://` and the path: `user:password@host:port`.
fn authority_has_password(rest: &str) -> bool {
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '\\')).unwrap_or(rest.len());
    let address = &rest[..end];
    let authority = address.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((login, host)) = authority.rsplit_once('@') {
        return login_has_password(login) && !is_form(login, host);
    }
    // A password with an unescaped `/`, `?` or `#` in it: what follows the first colon is no port
    // and a later `@` is followed by a host.
    let Some((user, after)) = authority.split_once(':') else {
        return false;
    };
    let port = after.bytes().all(|b| b.is_ascii_digit()) || after.starts_with(['$', '{', '<', '%']);
    let host = |(_, host): (&str, &str)| host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    !port && !user.starts_with('[') && !user.contains(['.', ',']) && address.rsplit_once('@').is_some_and(host)
}

/// `user:password@host`: how such an address is put together.
fn is_form(login: &str, host: &str) -> bool {
    let user = ["user:", "username:", "<user>:", "usr:"].iter().find_map(|user| login.strip_prefix(user));
    user.is_some_and(|password| ["password", "pass", "passwd", "pwd"].contains(&password)) && host.starts_with("host")
}

fn login_has_password(login: &str) -> bool {
    let Some((_, password)) = login.split_once(':') else {
        return false;
    };
    let decoded = password
        .replace("%3C", "<")
        .replace("%3E", ">")
        .replace("%2A", "*")
        .replace("%7B", "{")
        .replace("%7D", "}")
        .replace("%24", "$");
    !value::is_placeholder(&decoded)
}

/// `user:password@tcp(host:3306)/db`, the form of Go's MySQL driver. `before` ends at the `@`.
fn go_mysql(before: &str) -> bool {
    word_before(before)
        .split_once(':')
        .is_some_and(|(user, password)| !user.is_empty() && !value::is_placeholder(password))
}

/// The last run without white space and quotes.
fn word_before(before: &str) -> &str {
    let tail = tail(before, WINDOW);
    tail.rsplit(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '=' | ',' | ';')).next().unwrap_or(tail)
}

/// `jdbc:oracle:thin:scott/tiger@host`.
fn oracle_thin(rest: &str) -> bool {
    let login =
        rest.get(5..).and_then(|rest| rest.split(char::is_whitespace).next()).and_then(|word| word.split_once('@'));
    login
        .and_then(|(login, _)| login.split_once('/'))
        .is_some_and(|(user, password)| !user.is_empty() && !value::is_placeholder(password))
}

/// Whether `text` holds `user:password@host:port` without a scheme.
pub(super) fn has_login(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let host = window(&text[at + 1..]);
        let name = host.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')).count();
        let after = &host[name..];
        // Only with a port or a database behind the host is it no mail address.
        let port = after.strip_prefix(':').is_some_and(is_port);
        // `ada:password@/shop`
        let local =
            name == 0 && after.strip_prefix('/').is_some_and(|d| d.starts_with(|c: char| c.is_ascii_alphanumeric()));
        if local {
            return is_login(word_before(&text[..at]), true);
        }
        let database = after.strip_prefix('/').is_some_and(|d| d.starts_with(|c: char| c.is_ascii_alphanumeric()));
        name > 1 && !host.starts_with("sha256:") && (port || database) && is_login(word_before(&text[..at]), port)
    })
}

/// Up to five digits and then no letter.
fn is_port(text: &str) -> bool {
    let digits = text.bytes().take(6).take_while(u8::is_ascii_digit).count();
    (1..=5).contains(&digits) && !text.as_bytes().get(digits).is_some_and(u8::is_ascii_alphanumeric)
}

fn is_login(word: &str, port: bool) -> bool {
    const OTHER: &[&str] = &[
        "mailto", "to", "cc", "bcc", "from", "email", "mail", "sip", "xmpp", "acct", "ssh", "git", "scp", "user", "npm",
    ];
    let word = word.trim_start_matches(['(', '[', '<', '{']);
    if word.contains("://") {
        return false;
    }
    let oracle = || word.split_once('/').filter(|_| port);
    let Some((user, password)) = word.split_once(':').or_else(oracle) else {
        return false;
    };
    let named =
        !user.is_empty() && user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'%'));
    let other = OTHER.iter().any(|word| user.eq_ignore_ascii_case(word)) || user.bytes().all(|b| b.is_ascii_digit());
    named
        && !other
        && !password.contains('/')
        && !value::is_placeholder(password)
        && (port || value::is_opaque(password) || value::is_coined(password))
}
