//! Passwords between user and host: `scheme://user:password@host` and its relatives.
//!
//! Passwords in the query of a URL (`?password=…`) are found by [`super::pairs`].

use super::detector::Detector;
use crate::{
    rules::{KeywordGroups, rule},
    text::{Match, Text, head, tail},
    value,
};

/// Maximum length of an address, in bytes.
const ADDRESS: usize = 512;

/// URLs and addresses of drivers with a password in them.
pub(super) struct Addresses;

impl Detector for Addresses {
    fn wakes(&self) -> KeywordGroups {
        KeywordGroups::ADDRESSES
    }

    fn find<'t>(&self, text: &Text<'t>) -> Option<Match<'t>> {
        text.hits(KeywordGroups::ADDRESSES).find_map(|hit| {
            text.budget.spend(1)?;
            let (before, rest) = text.all.split_at(hit.at());
            let after = head(&rest[hit.keyword().text.len()..], ADDRESS);
            hit.keyword().parsers.iter().find_map(|rule| {
                let password = match *rule {
                    rule::URL_PASSWORD => url_password(before, after),
                    rule::LOGIN_AT_HOST => login_at_host(before, after),
                    rule::ORACLE_THIN_URL => oracle_thin(after),
                    rule::GO_MYSQL_DSN => go_mysql(before),
                    _ => None,
                };
                Some(Match::new(*rule, password?))
            })
        })
    }
}

/// The password of `scheme://user:password@host:port/path`; `before` ends with the scheme, and `rest` follows `://`.
fn url_password<'t>(before: &str, rest: &'t str) -> Option<&'t str> {
    if !before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '\\')).unwrap_or(rest.len());
    let address = &rest[..end];
    let authority = address.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((login, host)) = authority.rsplit_once('@') {
        return login_password(login).filter(|_| !is_form(login, host));
    }
    // A password with an unescaped `/`, `?` or `#` in it: what follows the first colon is no port
    // and a later `@` is followed by a host.
    let (user, after) = authority.split_once(':')?;
    let port = after.bytes().all(|b| b.is_ascii_digit()) || after.starts_with(['$', '{', '<', '%']);
    let (login, host) = address.rsplit_once('@')?;
    let host = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    let password = !port && !user.starts_with('[') && !user.contains(['.', ',']) && host;
    password.then(|| &login[user.len() + 1..])
}

/// `user:password@host`: how such an address is put together.
fn is_form(login: &str, host: &str) -> bool {
    let user = ["user:", "username:", "<user>:", "usr:"].iter().find_map(|user| login.strip_prefix(user));
    user.is_some_and(|password| ["password", "pass", "passwd", "pwd"].contains(&password))
        && ["host", "localhost", "example.com", "server"].iter().any(|form| host.starts_with(form))
}

fn login_password(login: &str) -> Option<&str> {
    const ESCAPES: [(&str, &str); 6] =
        [("%3C", "<"), ("%3E", ">"), ("%2A", "*"), ("%7B", "{"), ("%7D", "}"), ("%24", "$")];
    let (_, password) = login.split_once(':')?;
    let decoded = ESCAPES.iter().fold(password.to_owned(), |text, (escape, sign)| text.replace(escape, sign));
    (!value::is_placeholder(&decoded)).then_some(password)
}

/// `user:password@tcp(host:3306)/db`, the form of Go's MySQL driver. `before` ends at the `@`.
fn go_mysql(before: &str) -> Option<&str> {
    let (user, password) = word_before(before).split_once(':')?;
    (!user.is_empty() && !value::is_placeholder(password)).then_some(password)
}

/// The last run without white space and quotes.
fn word_before(before: &str) -> &str {
    let tail = tail(before, ADDRESS);
    tail.rsplit(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '=' | ',' | ';')).next().unwrap_or(tail)
}

/// `scott/tiger@host`, behind `jdbc:oracle:thin:`.
fn oracle_thin(rest: &str) -> Option<&str> {
    let (login, _) = rest.split(char::is_whitespace).next()?.split_once('@')?;
    let (user, password) = login.split_once('/')?;
    (!user.is_empty() && !value::is_placeholder(password)).then_some(password)
}

/// The password of `user:password@host:port` without a scheme; `host` follows the `@`.
fn login_at_host<'t>(before: &'t str, host: &str) -> Option<&'t str> {
    let name = host.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')).count();
    let after = &host[name..];
    // Only with a port or a database behind the host is it no email address.
    let port = after.strip_prefix(':').is_some_and(is_port);
    let database = after.strip_prefix('/').is_some_and(|d| d.starts_with(|c: char| c.is_ascii_alphanumeric()));
    // `ada:password@/shop`
    if name == 0 {
        return if database { password(word_before(before), true) } else { None };
    }
    if name < 2 || host.starts_with("sha256:") || !port && !database {
        return None;
    }
    password(word_before(before), port)
}

/// Up to five digits and then no letter.
fn is_port(text: &str) -> bool {
    let digits = text.bytes().take(6).take_while(u8::is_ascii_digit).count();
    (1..=5).contains(&digits) && !text.as_bytes().get(digits).is_some_and(u8::is_ascii_alphanumeric)
}

/// The password of `user:password`, or of Oracle's `user/password` if a port follows the host.
fn password(word: &str, port: bool) -> Option<&str> {
    const OTHER: &[&str] = &[
        "mailto", "to", "cc", "bcc", "from", "email", "mail", "sip", "xmpp", "acct", "ssh", "git", "scp", "user",
        "npm", "jdbc",
    ];
    let word = word.trim_start_matches(['(', '[', '<', '{']);
    if word.contains("://") {
        return None;
    }
    let (user, password) = word.split_once(':').or_else(|| word.split_once('/').filter(|_| port))?;
    let named =
        !user.is_empty() && user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'%'));
    let other = OTHER.iter().any(|word| user.eq_ignore_ascii_case(word)) || user.bytes().all(|b| b.is_ascii_digit());
    let secret = !password.contains('/')
        && !value::is_placeholder(password)
        && (port || value::is_opaque(password) || value::is_coined(password));
    (named && !other && secret).then_some(password)
}
