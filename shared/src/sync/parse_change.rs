//! From one element of `changes` to a [`Change`], or to the reasons why not.

use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::path::join;
use super::{Rejection, RejectionCode, canonical_hash, matches_checksum};
use crate::models::{
    Action, Change, ChangeHead, ChangeId, Content, Edit, FieldError, ItemId, ItemKey, ItemType, Timestamp, limits,
    whole,
};

type Fields = serde_json::Map<String, Value>;

/// Reads the change at place `index` of an upload.
///
/// # Errors
/// What is wrong with it, by field, as `changes[3].data.port`.
pub fn parse_change(index: usize, raw: &RawValue) -> Result<Change, Box<Rejection>> {
    let rejection = |change: ChangeHead, (code, errors): InvalidChange| {
        let place = format!("changes[{index}]");
        let located = errors.into_iter().map(|error| FieldError::new(join(&place, &error.field), error.message));
        Box::new(Rejection { change, code, details: located.collect() })
    };
    let mut fields = object(raw).map_err(|refusal| rejection(describe(index, &Fields::new()), refusal))?;
    read(&mut fields).map_err(|refusal| rejection(describe(index, &fields), refusal))
}

/// Reads the data of the item `key`, as a change would bring it; `field` is what the request calls it.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse_item_data(key: &ItemKey, data: Value, field: &str) -> Result<Content, InvalidChange> {
    if let Some(path) = find_nul(&data) {
        return Err(invalid(&join(field, &path), "must not hold a NUL character"));
    }
    if let Some(found) = secret_scan::find(&data) {
        let error = FieldError::new(join(field, &found.path), found.kind.to_string());
        return Err((RejectionCode::CredentialsPresent, vec![error]));
    }
    if let Value::Object(fields) = &data {
        time(fields, "created_at", &join(field, "created_at"))?;
    }
    content(key, data).map_err(|(code, errors)| {
        let located = errors.into_iter().map(|error| FieldError::new(join(field, &error.field), error.message));
        (code, located.collect())
    })
}

/// Most bytes of a change that is looked at: the largest item with every character written as `\u0000`, and some more.
const MAX_CHANGE_BYTES: usize = 6 * limits::ITEM_BYTES + 65_536;

/// Why something is refused, and what is wrong with it, by field.
pub type InvalidChange = (RejectionCode, Vec<FieldError>);

fn invalid(field: &str, message: impl Into<String>) -> InvalidChange {
    (RejectionCode::InvalidChange, vec![FieldError::new(field, message)])
}

fn object(raw: &RawValue) -> Result<Fields, InvalidChange> {
    if raw.get().len() > MAX_CHANGE_BYTES {
        let message = format!("must have at most {} bytes of JSON", limits::ITEM_BYTES);
        return Err((RejectionCode::ItemTooLarge, vec![FieldError::new("data", message)]));
    }
    match serde_json::from_str(raw.get()).map_err(|error| invalid("", error.to_string()))? {
        Value::Object(fields) => Ok(fields),
        _ => Err(invalid("", "must be an object")),
    }
}

fn read(fields: &mut Fields) -> Result<Change, InvalidChange> {
    if let Some(field) = nul_below(fields) {
        return Err(invalid(&field, "must not hold a NUL character"));
    }
    if let Some(found) = secret_scan::find_below(fields) {
        if !found.path.starts_with("data") {
            // It may stand in what would be told of the change.
            fields.clear();
        }
        let error = FieldError::new(found.path, found.kind.to_string());
        return Err((RejectionCode::CredentialsPresent, vec![error]));
    }
    let id = match fields.get("id") {
        None | Some(Value::Null) => ChangeId::trusted(format!("sha256:{}", canonical_hash(fields))),
        Some(_) => ChangeId::parse(text(fields, "id")?).map_err(|message| invalid("id", message))?,
    };
    change(id, fields)
}

/// What tells the client which change is meant.
fn describe(index: usize, fields: &Fields) -> ChangeHead {
    let text = |name: &str| {
        let text = fields.get(name)?.as_str()?;
        Some(text.chars().take(limits::ID_CHARS).collect())
    };
    ChangeHead {
        index,
        id: text("id"),
        item_type: text("item_type"),
        item_id: text("item_id"),
        action: text("action"),
        updated_at: text("updated_at"),
        sync_version: fields.get("sync_version").and_then(whole),
    }
}

fn change(id: ChangeId, fields: &mut Fields) -> Result<Change, InvalidChange> {
    let item_type = text(fields, "item_type")?;
    let item_type = ItemType::named(item_type)
        .ok_or_else(|| invalid("item_type", "must be connection, saved_query or query_history"))?;
    let item_id = ItemId::parse(text(fields, "item_id")?).map_err(|message| invalid("item_id", message))?;
    let action = match text(fields, "action")? {
        "create" => Action::Create,
        "update" => Action::Update,
        "delete" => Action::Delete,
        _ => return Err(invalid("action", "must be create, update or delete")),
    };
    let base = match fields.get("sync_version") {
        None | Some(Value::Null) => 0,
        Some(version) => whole(version)
            .filter(|version| (0..=limits::INTEGER).contains(version))
            .ok_or_else(|| invalid("sync_version", "must be a whole number, 0 or more"))?,
    };
    let updated_at = time(fields, "updated_at", "updated_at")?;
    let data = data(fields)?;
    if let (Some(data), Some(checksum)) = (&data, optional_text(fields, "checksum")?)
        && !matches_checksum(data, checksum)
    {
        let message = "is not the SHA-256 of data in canonical JSON (RFC 8785)";
        return Err((RejectionCode::ChecksumMismatch, vec![FieldError::new("checksum", message)]));
    }
    let key = ItemKey { item_type, id: item_id };
    let edit = edit(action, &key, data)?;
    let own_time = match &edit {
        Edit::Put { content, .. } => content.executed_at(),
        // A deleted entry of the history has nothing to be compared with.
        Edit::Delete => (item_type == ItemType::QueryHistory).then_some(Timestamp::EPOCH),
    };
    let updated_at = updated_at.or(own_time).ok_or_else(|| invalid("updated_at", "is missing"))?;
    Ok(Change { id, key, edit, updated_at, base })
}

fn data(fields: &mut Fields) -> Result<Option<Value>, InvalidChange> {
    match fields.remove("data") {
        None | Some(Value::Null) => Ok(None),
        Some(data @ Value::Object(_)) => Ok(Some(data)),
        Some(_) => Err(invalid("data", "must be an object")),
    }
}

fn edit(action: Action, key: &ItemKey, data: Option<Value>) -> Result<Edit, InvalidChange> {
    if action == Action::Delete {
        return Ok(Edit::Delete);
    }
    let Some(Value::Object(fields)) = data else {
        return Err(invalid("data", "is missing"));
    };
    let created_at = time(&fields, "created_at", "data.created_at")?;
    let content = content(key, Value::Object(fields)).map_err(|(code, errors)| {
        let below = |error: FieldError| FieldError::new(join("data", &error.field), error.message);
        (code, errors.into_iter().map(below).collect())
    })?;
    Ok(Edit::Put { content: Arc::new(content), created_at, expects_item: action == Action::Update })
}

/// Reads the content of the item `key`; errors name fields below it.
fn content(key: &ItemKey, data: Value) -> Result<Content, InvalidChange> {
    let Value::Object(fields) = &data else { return Err(invalid("", "must be an object")) };
    if fields.get("id").is_some_and(|id| !id.is_null() && id.as_str() != Some(key.id.as_str())) {
        return Err(invalid("id", "must be the item's id, or be left out"));
    }
    let bytes = serde_json::to_vec(&data).map_or(usize::MAX, |data| data.len());
    if bytes > limits::ITEM_BYTES {
        let message = format!("must have at most {} bytes of JSON, but has {bytes}", limits::ITEM_BYTES);
        return Err((RejectionCode::ItemTooLarge, vec![FieldError::new("", message)]));
    }
    Content::parse(key.item_type, data).map_err(|errors| (RejectionCode::InvalidChange, errors))
}

fn text<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, InvalidChange> {
    optional_text(fields, name)?.ok_or_else(|| invalid(name, "is missing"))
}

fn optional_text<'a>(fields: &'a Fields, name: &str) -> Result<Option<&'a str>, InvalidChange> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(name, "must be a string")),
    }
}

fn time(fields: &Fields, name: &str, path: &str) -> Result<Option<Timestamp>, InvalidChange> {
    let text = optional_text(fields, name).map_err(|_| invalid(path, "must be a string"))?;
    text.map(|text| text.parse().map_err(|error: crate::models::InvalidTimestamp| invalid(path, error.to_string())))
        .transpose()
}

/// The path of the first text or key with a NUL in it: PostgreSQL and C libraries would cut it short.
fn find_nul(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(values) => values.iter().enumerate().find_map(|(index, value)| {
            let below = find_nul(value)?;
            Some(join(&format!("[{index}]"), &below))
        }),
        Value::Object(fields) => nul_below(fields),
        _ => None,
    }
}

fn nul_below(fields: &Fields) -> Option<String> {
    fields.iter().find_map(|(name, value)| {
        if name.contains('\0') {
            return Some(name.replace('\0', "\u{fffd}"));
        }
        Some(join(name, &find_nul(value)?))
    })
}
