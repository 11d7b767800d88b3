//! Ids, times and rows that the suites write.

use std::sync::Arc;

use serde_json::json;
use shared::clock::{SystemRandom, random_uuid};
use shared::models::{
    Conflict, ConflictId, Connection, Content, DatabaseType, DeviceId, Extra, Item, ItemId, ItemKey, ItemType,
    ItemVersion, QueryHistory, Resolution, ResolvedBy, SavedQuery, SessionId, Timestamp, UserId, Winner,
};
use shared::storage::{TokenHash, TokenPurpose};

use crate::store_factory::AccountStore;

/// Returns the id of a user that no other test uses.
pub(crate) fn new_user_id() -> UserId {
    UserId::new(random_uuid(&SystemRandom))
}

/// Returns the id of a session that no other test uses.
pub(crate) fn new_session_id() -> SessionId {
    SessionId::new(random_uuid(&SystemRandom))
}

/// Returns the time `second` seconds after the start of the reference day.
pub(crate) fn at_second(second: i64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a valid time").plus_seconds(second)
}

/// Issues `token` as the outbox worker does: for an email that was queued and claimed long before the reference day.
/// Completes all emails that are due. Returns false if a concurrent caller claimed the email.
pub(crate) async fn issue(
    store: &dyn AccountStore,
    user: UserId,
    purpose: TokenPurpose,
    token: &TokenHash,
    expires_at: Timestamp,
) -> bool {
    let (before, after) = (at_day(-100), at_day(100));
    while let Some(mail) = store.claim(after, just_after(after)).await.expect("the write succeeds") {
        store.complete(&mail, None).await.expect("the write succeeds");
    }
    store.purge_completed(after, 1_000).await.expect("the write succeeds");
    match purpose {
        TokenPurpose::VerifyEmail => store.request_verification(user, before).await,
        TokenPurpose::ResetPassword => {
            let account = store.get(user).await.expect("the read succeeds").expect("the account exists");
            store.request_reset(&account.user.email, before).await
        }
    }
    .expect("the write succeeds");
    let claimed = store.claim(before, just_after(before)).await.expect("the write succeeds");
    // A concurrent caller may have claimed the email.
    let Some(mail) = claimed else { return false };
    let is_ours = mail.kind.name() == purpose.name();
    let issued = is_ours && store.issue(&mail, token, expires_at).await.expect("a refusal is not an error");
    store.complete(&mail, None).await.expect("the write succeeds");
    issued
}

/// Returns the time one microsecond after `time`.
pub(crate) fn just_after(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.micros() + 1)
}

/// Returns the time `days` days after the start of the reference day.
pub(crate) fn at_day(days: i64) -> Timestamp {
    at_second(days * 24 * 3_600)
}

pub(crate) fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).expect("a valid id")
}

pub(crate) fn key(item_type: ItemType, id: &str) -> ItemKey {
    ItemKey { item_type, id: ItemId::parse(id).expect("a valid id") }
}

/// Returns the key of a saved query.
pub(crate) fn query(id: &str) -> ItemKey {
    key(ItemType::SavedQuery, id)
}

/// Returns content of the item type of `key` that contains `text`.
pub(crate) fn content(key: &ItemKey, text: &str) -> Arc<Content> {
    Arc::new(match key.item_type {
        ItemType::Connection => Content::Connection(connection(text)),
        ItemType::SavedQuery => Content::SavedQuery(saved_query(text)),
        ItemType::QueryHistory => Content::QueryHistory(history(text)),
    })
}

/// Returns fields that the server does not know.
fn extra(fields: serde_json::Value) -> Extra {
    fields.as_object().cloned().expect("an object").into_iter().collect()
}

fn connection(database: &str) -> Connection {
    Connection {
        name: "Shop".to_owned(),
        database_type: DatabaseType::Postgres,
        host: Some("db.example.com".to_owned()),
        port: Some(5_432),
        database: database.to_owned(),
        username: Some("ada".to_owned()),
        use_ssh: true,
        ssh_host: Some("jump.example.com".to_owned()),
        ssh_port: Some(22),
        ssh_user: None,
        color: Some("#00ff00".to_owned()),
        icon: None,
        metadata: [("folder".to_owned(), "work".to_owned())].into(),
        extra: extra(json!({ "ssl_mode": "verify-full", "limits": { "rows": [1, 2.5, null] } })),
    }
}

fn saved_query(query: &str) -> SavedQuery {
    SavedQuery {
        name: "Orders".to_owned(),
        description: Some("Of today".to_owned()),
        query: query.to_owned(),
        connection_id: Some("shop".to_owned()),
        tags: vec!["report".to_owned(), "daily".to_owned()],
        favorite: true,
        metadata: [("folder".to_owned(), "work".to_owned())].into(),
        extra: extra(json!({ "ssl_mode": "verify-full", "limits": { "rows": [1, 2.5, null] } })),
    }
}

/// Asserts that two values of a struct differ in every field. A field that is not listed does not compile.
macro_rules! assert_all_differ {
    ($name:ident { $($field:ident),* }, $one:expr, $other:expr) => {{
        let (one, other): (&$name, &$name) = ($one, $other);
        let $name { $($field: _),* } = one;
        $(assert_ne!(one.$field, other.$field, stringify!($field));)*
    }};
}

/// Returns a connection that differs from the one of [`content`] in every field.
pub(crate) fn other_connection(original: &Content) -> Arc<Content> {
    let Content::Connection(original) = original else { panic!("not a connection") };
    let other = Connection {
        name: "Archive".to_owned(),
        database_type: DatabaseType::Mysql,
        host: None,
        port: None,
        database: "archive".to_owned(),
        username: None,
        use_ssh: false,
        ssh_host: None,
        ssh_port: None,
        ssh_user: Some("bob".to_owned()),
        color: None,
        icon: Some("box".to_owned()),
        metadata: [].into(),
        extra: Extra::default(),
    };
    assert_all_differ!(
        Connection {
            name,
            database_type,
            host,
            port,
            database,
            username,
            use_ssh,
            ssh_host,
            ssh_port,
            ssh_user,
            color,
            icon,
            metadata,
            extra
        },
        original,
        &other
    );
    Arc::new(Content::Connection(other))
}

/// Returns a saved query that differs from the one of [`content`] in every field.
pub(crate) fn other_saved_query(original: &Content) -> Arc<Content> {
    let Content::SavedQuery(original) = original else { panic!("not a saved query") };
    let other = SavedQuery {
        name: "Invoices".to_owned(),
        description: None,
        query: "select * from invoices".to_owned(),
        connection_id: None,
        tags: Vec::new(),
        favorite: false,
        metadata: [].into(),
        extra: Extra::default(),
    };
    assert_all_differ!(
        SavedQuery { name, description, query, connection_id, tags, favorite, metadata, extra },
        original,
        &other
    );
    Arc::new(Content::SavedQuery(other))
}

fn history(query: &str) -> QueryHistory {
    QueryHistory {
        query: query.to_owned(),
        connection_id: "shop".to_owned(),
        executed_at: at_second(7),
        duration_ms: 12,
        rows_affected: -1,
        success: false,
        error: Some("no such table".to_owned()),
        metadata: [("tab".to_owned(), "3".to_owned())].into(),
        extra: extra(json!({ "plan": { "cost": 1.5 } })),
    }
}

/// Returns the text that [`content`] was given.
pub(crate) fn text(content: &Content) -> &str {
    match content {
        Content::Connection(connection) => &connection.database,
        Content::SavedQuery(query) => &query.query,
        Content::QueryHistory(entry) => &entry.query,
    }
}

/// Returns the conflict with its detection time set to `at` seconds. No two conflicts of a user share a detection time.
pub(crate) fn detected(at: i64, conflict: Conflict) -> Conflict {
    Conflict { detected_at: at_second(at), ..conflict }
}

/// Returns an open conflict about the item `key`; the
/// [`crate::plan_builder::PlanBuilder`] sets its sequence time.
pub(crate) fn conflict(id: &str, key: &ItemKey) -> Conflict {
    let version = |text: &str, device_id: &str| ItemVersion {
        item: Some(Item { content: content(key, text), created_at: at_second(1) }),
        updated_at: at_second(2),
        sync_version: 1,
        device: device(device_id),
    };
    Conflict {
        id: ConflictId::parse(id).expect("a valid id"),
        key: key.clone(),
        local: version("from the laptop", "laptop"),
        remote: version("from the desk", "desk"),
        item_version: 2,
        detected_at: at_second(3),
        resolution: None,
        seq: Timestamp::EPOCH,
    }
}

/// Returns the conflict, resolved at `at`.
pub(crate) fn resolved(conflict: Conflict, at: Timestamp) -> Conflict {
    let resolution = Resolution {
        at,
        by: ResolvedBy::KeepBoth,
        winner: Some(Winner::Remote),
        copy_id: Some(ItemId::new_unchecked("copy")),
    };
    Conflict { resolution: Some(resolution), ..conflict }
}
