//! Passwords in the fields of a connection that are meant for something else: `username: "scott/tiger"`, `host: "ada:…@db"`,
//! and the key of an encrypted file under the bare name `key`.

use serde_json::{Map, Value};

use crate::{
    rules::{RuleId, rule},
    value,
};

/// Fields that name an account.
#[rustfmt::skip]
const ACCOUNTS: &[&str] = &[
    "username", "user", "ssh_user", "ssh_username", "login", "user_name", "db_user", "sshUser", "userName", "uid",
    "auth",
];
/// Fields that name a machine.
const HOSTS: &[&str] = &["host", "hostname", "ssh_host", "server", "address", "sshHost", "endpoint"];
/// Fields that hold the key of an encrypted file, if the others say that there is one.
const KEYS: &[&str] = &["key", "hexkey", "textkey", "rawkey", "rekey", "db_key"];

/// The field that holds a password besides what it is meant for.
pub(super) fn found(fields: &Map<String, Value>) -> Option<(&str, RuleId)> {
    let oracle = fields.get("type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("oracle"));
    let mut ciphered = None;
    fields.iter().find_map(|(name, value)| {
        let text = value.as_str()?;
        let listed = |list: &[&str]| list.contains(&name.as_str());
        let rule = if listed(ACCOUNTS) {
            // A user's name may have a colon in it.
            let plain = text.split_once(':').is_some_and(|(_, last)| !value::is_opaque(last));
            (!plain && has_password(text, oracle)).then_some(rule::FIELD_LOGIN)
        } else if listed(HOSTS) {
            (!text.contains("://") && text.split_once('@').is_some_and(|(login, _)| has_password(login, false)))
                .then_some(rule::FIELD_LOGIN)
        } else if listed(KEYS) {
            let key = !value::is_placeholder(text) && !value::is_path(text);
            (key && *ciphered.get_or_insert_with(|| is_ciphered(fields))).then_some(rule::FIELD_FILE_KEY)
        } else {
            let lower = name.to_ascii_lowercase();
            let list = lower.contains("userlist") && has_list(text) || lower.contains("pgpass") && has_pgpass(text);
            list.then_some(rule::FIELD_ACCOUNT_LIST)
        };
        rule.map(|rule| (name.as_str(), rule))
    })
}

/// `ada:password`, and `ada/password` as Oracle writes it.
fn has_password(login: &str, oracle: bool) -> bool {
    let told = |password: &str| !value::is_placeholder(password) && !password.contains(char::is_whitespace);
    if let Some((user, password)) = login.split_once(':') {
        return is_user(user) && told(password) && !password.contains([':', '/']);
    }
    login.split_once('/').is_some_and(|(user, password)| {
        let (user, password) = (user.trim(), password.trim());
        let password = password.split('@').next().unwrap_or_default();
        // `corp/ada1` is an account of a domain.
        let sure = value::is_opaque(password) && password.contains(|c: char| c.is_ascii_uppercase());
        is_user(user) && told(password) && (oracle || sure)
    })
}

fn is_user(user: &str) -> bool {
    !user.is_empty() && user.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | '#'))
}

/// Whether the other fields speak of a cipher.
fn is_ciphered(fields: &Map<String, Value>) -> bool {
    let speaks = |text: &str| {
        let lower = text.to_ascii_lowercase();
        lower == "cipher"
            || ["sqlcipher", "kdf", "cipher_page", "cipher_compat"].iter().any(|word| lower.contains(word))
    };
    fields
        .iter()
        .any(|(name, value)| speaks(name) || value.as_str().is_some_and(|text| text.len() < 40 && speaks(text)))
}

/// Lines of a `.pgpass` file: `host:port:database:user:password`.
fn has_pgpass(text: &str) -> bool {
    text.lines().any(|line| {
        let fields: Vec<&str> = line.trim().splitn(5, ':').collect();
        fields.len() == 5 && fields.iter().all(|field| !field.is_empty()) && !value::is_placeholder(fields[4])
    })
}

/// The file of users of `PgBouncer`: `"ada" "password"` on each line.
fn has_list(text: &str) -> bool {
    text.lines().any(|line| {
        let quoted: Vec<&str> = line.trim().split('"').collect();
        let password = quoted.get(3).filter(|_| quoted.len() == 5 && quoted[2].trim().is_empty());
        password.is_some_and(|password| !value::is_placeholder(password) && !value::is_hash(password))
    })
}
