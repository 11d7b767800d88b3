//! Parses one element of `changes` into a [`Change`], or rejects it.
//!
//! Order of the checks: size, JSON syntax, NUL characters, credentials, then the fields. The first check that fails
//! determines the rejection. Only a field check of the content reports several errors.

use std::sync::Arc;

use secret_scan::{Finding, TooDense};
use serde_json::Value;
use serde_json::value::RawValue;

use super::unique::{UniqueError, parse_unique};
use super::{Rejection, RejectionCode, canonical_hash, matches_checksum};
use crate::models::json_path::join;
use crate::models::{
    Action, Change, ChangeId, ChangeSummary, Content, Edit, FieldError, InvalidTimestamp, ItemId, ItemKey, ItemType,
    SyncVersion, Timestamp, json_bytes, limits, whole_number,
};

type Fields = serde_json::Map<String, Value>;

/// Reason for rejecting a change or the data of an item, and its errors by field.
pub type InvalidChange = (RejectionCode, Vec<FieldError>);

/// Maximum size of a change, in bytes of JSON: the largest item with every character escaped as `\u0000`, plus room for the
/// other fields. A larger change is not parsed.
const MAX_CHANGE_BYTES: usize = 6 * limits::ITEM_BYTES + 65_536;

/// Parses the change at `index` of an upload.
///
/// # Errors
/// Returns the rejection of an invalid change. Its fields are paths such as `changes[3].data.port`.
pub fn parse_change(index: usize, raw: &RawValue) -> Result<Change, Box<Rejection>> {
    let reject = |change: ChangeSummary, error: InvalidChange| {
        let (code, details) = below(&format!("changes[{index}]"), error);
        Box::new(Rejection { change, code, details })
    };
    let mut fields = parse_object(raw).map_err(|error| reject(summarize(index, &Fields::new()), error))?;
    parse_fields(&mut fields, raw.get().len()).map_err(|error| reject(summarize(index, &fields), error))
}

/// Checks the size of `data` of an item, and that it contains no NUL character and no credential. `field` is its name in the
/// request, for errors.
///
/// A large item takes long enough to block other requests of an async worker thread.
///
/// # Errors
/// Returns the first error.
pub fn check_item_data(data: &Value, field: &str) -> Result<(), InvalidChange> {
    check_size(json_bytes(data)).map_err(|error| below(field, error))?;
    if let Some(path) = find_nul(data) {
        return Err(invalid(&join(field, &path), "must not contain a NUL character"));
    }
    refuse_credential(secret_scan::find(data)).map_err(|error| below(field, error))
}

/// Parses `data`, which has passed [`check_item_data`], as the data of the item `key`. `field` is its name in the request,
/// for errors.
///
/// # Errors
/// Returns the errors of invalid data.
pub fn parse_item_data(key: &ItemKey, data: Value, field: &str) -> Result<Content, InvalidChange> {
    if let Value::Object(fields) = &data {
        optional_time(fields, "created_at").map_err(|error| below(field, error))?;
    }
    parse_content(key, data, usize::MAX).map_err(|error| below(field, error))
}

/// Turns what the secret scanner found into a rejection.
fn refuse_credential(found: Result<Option<Finding>, TooDense>) -> Result<(), InvalidChange> {
    match found {
        Ok(None) => Ok(()),
        Ok(Some(found)) => {
            Err((RejectionCode::CredentialsPresent, vec![FieldError::credential(found.path.as_str(), &found)]))
        }
        Err(TooDense { path }) => Err(invalid(&path, TooDense::REASON)),
    }
}

fn invalid(field: &str, message: impl Into<String>) -> InvalidChange {
    (RejectionCode::InvalidChange, vec![FieldError::new(field, message)])
}

/// Prefixes the fields of the errors with `parent`.
fn below(parent: &str, (code, errors): InvalidChange) -> InvalidChange {
    (code, errors.into_iter().map(|error| error.below(parent)).collect())
}

fn parse_object(raw: &RawValue) -> Result<Fields, InvalidChange> {
    if raw.get().len() > MAX_CHANGE_BYTES {
        let message = format!("must have at most {} bytes of JSON", limits::ITEM_BYTES);
        return Err((RejectionCode::ItemTooLarge, vec![FieldError::new("data", message)]));
    }
    match parse_unique(raw.get()) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(invalid("", "must be an object")),
        Err(UniqueError::Duplicate(path)) => Err(invalid(&path, "is duplicated")),
        Err(UniqueError::Syntax(error)) => Err(invalid("", error.to_string())),
    }
}

/// Parses the fields of a change of `raw_bytes` bytes of JSON. Clears `fields` if the response must not repeat any of them.
fn parse_fields(fields: &mut Fields, raw_bytes: usize) -> Result<Change, InvalidChange> {
    if let Some(field) = find_nul_in_fields(fields) {
        return Err(invalid(&field, "must not contain a NUL character"));
    }
    if let Err(error) = refuse_credential(secret_scan::find_in_fields(fields)) {
        if !error.1.iter().all(|error| error.field.starts_with("data")) {
            // The summary could repeat the credential.
            fields.clear();
        }
        return Err(error);
    }
    let id = match fields.get("id") {
        None | Some(Value::Null) => ChangeId::new_unchecked(format!("sha256:{}", canonical_hash(fields))),
        Some(_) => ChangeId::parse(text(fields, "id")?).map_err(|error| invalid("id", error))?,
    };
    let key = item_key(fields)?;
    let action = action(fields)?;
    let base = base_version(fields)?;
    let updated_at = optional_time(fields, "updated_at")?;
    let data = take_data(fields)?;
    if let (Some(data), Some(checksum)) = (&data, optional_text(fields, "checksum")?)
        && !matches_checksum(data, checksum)
    {
        let message = "is not the SHA-256 of data in canonical JSON (RFC 8785)";
        return Err((RejectionCode::ChecksumMismatch, vec![FieldError::new("checksum", message)]));
    }
    let edit = edit(action, &key, data, raw_bytes)?;
    let default_time = match &edit {
        Edit::Put { content, .. } => content.executed_at(),
        // The time of a history deletion is never compared.
        Edit::Delete => (key.item_type == ItemType::QueryHistory).then_some(Timestamp::EPOCH),
    };
    let updated_at = updated_at.or(default_time).ok_or_else(|| invalid("updated_at", "is missing"))?;
    Ok(Change { id, key, edit, updated_at, base })
}

/// Summarizes a rejected change: the fields that identify it, as far as they are present and have the right type.
fn summarize(index: usize, fields: &Fields) -> ChangeSummary {
    let text = |name: &str| {
        let text = fields.get(name)?.as_str()?;
        Some(text.chars().take(limits::ID_CHARS).collect())
    };
    ChangeSummary {
        index,
        id: text("id"),
        item_type: text("item_type"),
        item_id: text("item_id"),
        action: text("action"),
        updated_at: text("updated_at"),
        sync_version: fields.get("sync_version").and_then(whole_number),
    }
}

fn item_key(fields: &Fields) -> Result<ItemKey, InvalidChange> {
    let item_type = ItemType::from_name(text(fields, "item_type")?)
        .ok_or_else(|| invalid("item_type", "must be connection, saved_query or query_history"))?;
    let id = ItemId::parse(text(fields, "item_id")?).map_err(|error| invalid("item_id", error))?;
    Ok(ItemKey { item_type, id })
}

fn action(fields: &Fields) -> Result<Action, InvalidChange> {
    match text(fields, "action")? {
        "create" => Ok(Action::Create),
        "update" => Ok(Action::Update),
        "delete" => Ok(Action::Delete),
        _ => Err(invalid("action", "must be create, update or delete")),
    }
}

fn base_version(fields: &Fields) -> Result<SyncVersion, InvalidChange> {
    match fields.get("sync_version") {
        None | Some(Value::Null) => Ok(0),
        Some(version) => whole_number(version)
            .filter(|version| (0..=limits::INTEGER).contains(version))
            .ok_or_else(|| invalid("sync_version", "must be a whole number, 0 or more")),
    }
}

/// Removes `data` from the fields and returns it.
fn take_data(fields: &mut Fields) -> Result<Option<Value>, InvalidChange> {
    match fields.remove("data") {
        None | Some(Value::Null) => Ok(None),
        Some(data @ Value::Object(_)) => Ok(Some(data)),
        Some(_) => Err(invalid("data", "must be an object")),
    }
}

fn edit(action: Action, key: &ItemKey, data: Option<Value>, raw_bytes: usize) -> Result<Edit, InvalidChange> {
    if action == Action::Delete {
        return Ok(Edit::Delete);
    }
    let Some(Value::Object(fields)) = data else {
        return Err(invalid("data", "is missing"));
    };
    let created_at = optional_time(&fields, "created_at").map_err(|error| below("data", error))?;
    let content = parse_content(key, Value::Object(fields), raw_bytes).map_err(|error| below("data", error))?;
    let mut content = Arc::new(content);
    if key.item_type == ItemType::QueryHistory {
        // A history entry never changes, so there is no field to remove.
        content = content.completed_from(None);
    }
    Ok(Edit::Put { content, created_at, expects_item: action == Action::Update })
}

/// A number such as `1e15` is written out in full, which makes the JSON of an item longer than the text that it was parsed from.
const MAX_EXPANSION: usize = 8;

/// Parses and checks the content of the item `key`, which was part of `raw_bytes` bytes of JSON. The fields of errors are relative
/// to `data`.
fn parse_content(key: &ItemKey, data: Value, raw_bytes: usize) -> Result<Content, InvalidChange> {
    let Value::Object(fields) = data else { return Err(invalid("", "must be an object")) };
    if fields.get("id").is_some_and(|id| !id.is_null() && id.as_str() != Some(key.id.as_str())) {
        return Err(invalid("id", "must be the item's id, or be left out"));
    }
    // Most items are so small that they need not be measured.
    let bytes = if raw_bytes <= limits::ITEM_BYTES / MAX_EXPANSION { raw_bytes } else { json_bytes(&fields) };
    check_size(bytes)?;
    Content::parse(key.item_type, fields).map_err(|errors| (RejectionCode::InvalidChange, errors))
}

/// Checks the size of the data of an item, in bytes of JSON.
fn check_size(bytes: usize) -> Result<(), InvalidChange> {
    if bytes <= limits::ITEM_BYTES {
        return Ok(());
    }
    let message = format!("must have at most {} bytes of JSON, but has {bytes}", limits::ITEM_BYTES);
    Err((RejectionCode::ItemTooLarge, vec![FieldError::new("", message)]))
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

fn optional_time(fields: &Fields, name: &str) -> Result<Option<Timestamp>, InvalidChange> {
    let time = optional_text(fields, name)?.map(str::parse).transpose();
    time.map_err(|error: InvalidTimestamp| invalid(name, error.to_string()))
}

/// Returns the path of the first string or key that contains a NUL. PostgreSQL and C libraries would truncate it.
fn find_nul(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(values) => values.iter().enumerate().find_map(|(index, value)| {
            let path = find_nul(value)?;
            Some(join(&format!("[{index}]"), &path))
        }),
        Value::Object(fields) => find_nul_in_fields(fields),
        _ => None,
    }
}

fn find_nul_in_fields(fields: &Fields) -> Option<String> {
    fields.iter().find_map(|(name, value)| {
        if name.contains('\0') {
            return Some(name.replace('\0', "\u{fffd}"));
        }
        Some(join(name, &find_nul(value)?))
    })
}
