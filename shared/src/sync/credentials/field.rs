//! JSON fields whose name says that they hold a secret.

use serde_json::{Map, Value};

use super::{
    names::{self, Name, Secret},
    value,
};

/// Whether `name` is one of the names that nearly every change has, and that say nothing of a secret: half the time of a
/// search went into finding that out again for each change.
pub(super) fn is_known(name: &str) -> bool {
    matches!(
        name,
        "action"
            | "connection_id"
            | "created_at"
            | "data"
            | "description"
            | "duration_ms"
            | "executed_at"
            | "favorite"
            | "id"
            | "item_id"
            | "item_type"
            | "metadata"
            | "name"
            | "query"
            | "rows_affected"
            | "success"
            | "sync_version"
            | "tags"
            | "updated_at"
    )
}

/// What the field holds if its name is a secret's and its value is not empty.
pub(super) fn secret(name: &str, value: &Value) -> Option<Secret> {
    let verdict = names::classify(name)?;
    carries(verdict, value).then_some(verdict.secret)
}

/// Whether `value` under a secret's name holds anything. A boolean never is a secret.
fn carries(name: Name, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(_) => !name.plural && !name.weak,
        Value::String(text) => text_carries(name, text),
        Value::Array(items) => items.iter().any(|item| carries(name, item)),
        Value::Object(fields) => fields.values().any(|field| carries(name, field)),
    }
}

fn text_carries(name: Name, text: &str) -> bool {
    let number = name.plural && text.trim().parse::<f64>().is_ok();
    if number || value::is_placeholder(text) {
        return false;
    }
    let elsewhere = (name.directory || name.secret == Secret::Key) && value::is_path(text);
    !elsewhere && (!name.weak || value::is_long_opaque(text) || is_login(name, text))
}

/// `basic_auth: "user:password"`.
fn is_login(name: Name, text: &str) -> bool {
    let pair = text.split_once(':').map(|(_, password)| password);
    name.secret == Secret::Token
        && pair.is_some_and(|password| !value::is_placeholder(password) && !password.contains(' '))
}

/// Whether `value`, in the field `name` of a connection, is more than a user or a host: `ada:password`,
/// `ada:password@db.example.com`.
pub(super) fn is_login_of_connection(name: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let login = match name {
        "username" | "user" | "login" | "ssh_user" => Some(text),
        "host" | "hostname" | "ssh_host" | "server" => text.rsplit_once('@').map(|(login, _)| login),
        _ => None,
    };
    let password = login.and_then(|login| login.split_once(':')).map(|(_, password)| password);
    password.is_some_and(|password| !value::is_placeholder(password) && !password.contains(['/', ' ']))
}

/// Whether the fields of an object called `name` are columns on a screen, as in
/// `column_widths: {"password": 120}`; there only texts can be secrets.
pub(super) fn is_layout(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["column", "width", "layout"].iter().any(|word| lower.contains(word))
}

/// Lists of settings write the name as a value: `{"name": "api_key", "value": "…"}`. The field
/// that holds such a value, and what it is.
pub(super) fn described(fields: &Map<String, Value>) -> Option<(&'static str, Secret)> {
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let values = ["value", "default", "default_value"];
    let (field, value) = values.into_iter().find_map(|field| Some((field, fields.get(field)?)))?;
    let named = ["name", "key", "field", "header", "setting", "option", "type", "kind"];
    let name = named.iter().find_map(|field| text(field).and_then(names::classify))?;
    carries(name, value).then_some((field, name.secret))
}
