//! Fields whose name says that they hold a secret.

use serde_json::{Map, Value};

use crate::{
    names::{self, Name},
    rules::{RuleId, SecretKind, rule},
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

/// The rule by which the field `name` holds a secret, if its name is a secret's and its value is not empty.
pub(super) fn found(name: &str, value: &Value) -> Option<RuleId> {
    let name = names::classify_field(name)?;
    carries(name, value, DEPTH).then(|| rule_of(name))
}

fn rule_of(name: Name) -> RuleId {
    match name.secret {
        SecretKind::Password => rule::FIELD_PASSWORD,
        SecretKind::Passphrase => rule::FIELD_PASSPHRASE,
        SecretKind::PrivateKey => rule::FIELD_PRIVATE_KEY,
        SecretKind::Key => rule::FIELD_KEY,
        SecretKind::Token => rule::FIELD_TOKEN,
        SecretKind::Secret => rule::FIELD_SECRET,
        SecretKind::Credentials => rule::FIELD_CREDENTIALS,
    }
}

/// How deep a value may be nested in the field with the name. Every level may have such a name, and is searched again.
const DEPTH: u8 = 6;

/// Whether `value` under a secret's name holds anything. A boolean never is a secret.
fn carries(name: Name, value: &Value, depth: u8) -> bool {
    let Some(below) = depth.checked_sub(1) else { return false };
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(_) => !name.plural && !name.weak,
        Value::String(text) => text_carries(name, text),
        Value::Array(items) => items.iter().any(|item| carries(name, item, below)),
        // `{"password": {"minLength": 12, "type": "string"}}` tells about passwords.
        Value::Object(fields) => fields
            .iter()
            .any(|(field, value)| !value.is_number() && !names::is_about(field) && carries(name, value, below)),
    }
}

fn text_carries(name: Name, text: &str) -> bool {
    if name.secret == SecretKind::Credentials && (value::is_path(text) || value::is_status_word(text)) {
        return false;
    }
    // `pass: "98%"`, `tokens: "12"`
    let counted = name.plural || name.ticket || name.secret == SecretKind::Token && text.len() < 6;
    let number = counted && text.trim().trim_end_matches('%').parse::<f64>().is_ok();
    let token_on_chain = name.secret == SecretKind::Token && value::is_chain_address(text);
    if number || token_on_chain || value::is_placeholder(text) {
        return false;
    }
    let elsewhere = (name.directory || name.secret == SecretKind::Key) && value::is_path(text);
    !elsewhere && (!name.weak || value::is_long_opaque(text) || is_login(name, text))
}

/// `basic_auth: "user:password"`.
fn is_login(name: Name, text: &str) -> bool {
    let pair = text.split_once(':').map(|(_, password)| password);
    name.secret == SecretKind::Token
        && pair.is_some_and(|password| !value::is_placeholder(password) && !password.contains(' '))
}

/// Whether the fields of an object called `name` are columns on a screen or texts to translate, as in
/// `column_widths: {"password": 120}`; there only texts that look made up are secrets.
pub(super) fn is_layout(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [
        "column",
        "width",
        "layout",
        "label",
        "alias",
        "mask",
        "format",
        "align",
        "caption",
        "translation",
        "i18n",
        "locale",
    ]
    .iter()
    .any(|word| lower.contains(word))
}

/// `["password", "…"]`, one of a list of pairs.
pub(super) fn is_pair(items: &[Value]) -> bool {
    let [Value::String(name), Value::String(text)] = items else {
        return false;
    };
    (value::is_opaque(text) || value::is_coined(text))
        && names::classify_field(text).is_none()
        && names::classify_field(name).is_some_and(|name| text_carries(name, text))
}

/// Lists of settings and of parameters write the name as a value: `{"name": "api_key", "value": "…"}`. The field
/// that holds such a value, and what it is.
pub(super) fn described(fields: &Map<String, Value>) -> Option<(&'static str, RuleId)> {
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let values = ["value", "default", "defaultValue", "default_value", "current", "val", "v"];
    let (field, value) = values.iter().find_map(|field| fields.get(*field).map(|value| (*field, value)))?;
    let named = ["name", "key", "field", "header", "setting", "option", "param", "parameter", "variable", "var", "k"];
    let name = named.iter().find_map(|field| text(field).and_then(names::classify_field))?;
    // The default of a column or parameter may say something of it instead.
    let default = field.starts_with("default");
    let said = value.as_str().is_some_and(|text| value::is_status_word(text) || text.contains('('));
    (carries(name, value, DEPTH) && !(default && said)).then(|| (field, rule_of(name)))
}
