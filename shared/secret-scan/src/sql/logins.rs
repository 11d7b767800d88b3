//! Functions of an application that take an account and its password: `login('ada', '…')`, `set_password('ada', '…')`.
//!
//! What they are called is up to whoever writes them, so a name is cut into the habits people have: a prefix that says what
//! kind of routine it is, and a verb.

use crate::{rules::words, value};

/// Takes an account and then the password.
#[rustfmt::skip]
const LOGINS: &[&str] = &[
    "login", "log_in", "signin", "sign_in", "logon", "authenticate", "authenticate_user", "login_user",
    "user", "credentials", "create_user", "createuser", "add_user", "adduser", "register_user",
];
/// Takes an account and then a password, whatever it looks like.
#[rustfmt::skip]
const SETTERS: &[&str] = &[
    "set_password", "setpassword", "change_password", "changepassword", "update_password",
    "password", "set_user_password", "change_user_password", "reset_password",
];

/// Whether the literal `text` is a password as argument `index` of a call to `name`.
pub(super) fn is_password(name: &str, index: u32, text: &str) -> bool {
    if name.len() > 40 || value::is_placeholder(text) || value::is_status_word(text) {
        return false;
    }
    let lower = name.to_ascii_lowercase();
    let mut verb = lower.as_str();
    while let Some(rest) = words::ROUTINE_PREFIXES.iter().find_map(|prefix| verb.strip_prefix(prefix)) {
        verb = rest;
    }
    // `check_password('…', hash)`, `user.set_password('…')`, `pymysql.connect('host', 'user', '…')`
    let first = (verb == "password" || verb == "set_password") && index == 0;
    if first || verb == "connect" && index == 2 {
        return value::is_password_like(text);
    }
    if index == 0 {
        return false;
    }
    // What is left of `verify_user` and `check_password` are names of their own only with the prefix.
    let cut = verb.len() < lower.len();
    let login = LOGINS.contains(&verb) && (cut || !matches!(verb, "user" | "credentials"));
    let sets = SETTERS.contains(&verb) && (cut || verb != "password");
    let named = !cut && verb == "login" && text.starts_with(char::is_uppercase);
    login && (named || value::is_password_like(text)) && !is_mail(text) || sets && !text.contains(' ')
}

fn is_mail(text: &str) -> bool {
    text.split_once('@').is_some_and(|(_, host)| host.contains('.') && !host.contains(['!', '@', '#', '$']))
}
