//! What the suites write.

use std::sync::Arc;

use shared::clock::{SystemRandom, random_uuid};
use shared::models::{
    Conflict, ConflictId, Connection, Content, DatabaseType, DeviceId, Item, ItemId, ItemKey, ItemType, ItemVersion,
    QueryHistory, Resolution, SavedQuery, SessionId, Strategy, Timestamp, UserId, Winner,
};
use shared::storage::{TokenHash, TokenPurpose};

use crate::place::AccountStore;

/// A user that nobody else writes for.
pub(crate) fn somebody() -> UserId {
    UserId::new(random_uuid(&SystemRandom))
}

/// The id of a session that nobody else opens.
pub(crate) fn some_session() -> SessionId {
    SessionId::new(random_uuid(&SystemRandom))
}

/// A second of the day on which the suites play.
pub(crate) fn second(second: i64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a time").plus_seconds(second)
}

/// Issues `token` as the outbox worker does: for a mail that was called for and claimed, long before all else. Mails that
/// are due by then are settled.
pub(crate) async fn issue(
    store: &dyn AccountStore,
    user: UserId,
    purpose: TokenPurpose,
    token: &TokenHash,
    expires_at: Timestamp,
) -> bool {
    let (before, after) = (day(-100), day(100));
    while let Some(mail) = store.claim(after, just_after(after)).await.expect("the store writes") {
        store.complete(&mail, None).await.expect("the store writes");
    }
    store.purge_completed(after, 1_000).await.expect("the store writes");
    match purpose {
        TokenPurpose::VerifyEmail => store.request_verification(user, before).await,
        TokenPurpose::ResetPassword => {
            let account = store.get(user).await.expect("the store answers").expect("the account is there");
            store.request_reset(&account.user.email, before).await
        }
    }
    .expect("the store writes");
    let claimed = store.claim(before, just_after(before)).await.expect("the store writes");
    // Whoever does the same at the same time may have it.
    let Some(mail) = claimed else { return false };
    let is_ours = mail.kind.name() == purpose.name();
    let issued = is_ours && store.issue(&mail, token, expires_at).await.expect("a refusal is no fault");
    store.complete(&mail, None).await.expect("the store writes");
    issued
}

/// The moment after `time`.
pub(crate) fn just_after(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.micros() + 1)
}

/// `days` days after the start of that day.
pub(crate) fn day(days: i64) -> Timestamp {
    second(days * 24 * 3_600)
}

pub(crate) fn device(id: &str) -> DeviceId {
    DeviceId::parse(id).expect("an id")
}

pub(crate) fn key(item_type: ItemType, id: &str) -> ItemKey {
    ItemKey { item_type, id: ItemId::parse(id).expect("an id") }
}

/// The key of a saved query.
pub(crate) fn query(id: &str) -> ItemKey {
    key(ItemType::SavedQuery, id)
}

/// Some content for an item of the kind of `key`, in which `text` stands.
pub(crate) fn content(key: &ItemKey, text: &str) -> Arc<Content> {
    Arc::new(match key.item_type {
        ItemType::Connection => Content::Connection(connection(text)),
        ItemType::SavedQuery => Content::SavedQuery(saved_query(text)),
        ItemType::QueryHistory => Content::QueryHistory(history(text)),
    })
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
    }
}

fn history(query: &str) -> QueryHistory {
    QueryHistory {
        query: query.to_owned(),
        connection_id: "shop".to_owned(),
        executed_at: second(7),
        duration_ms: 12,
        rows_affected: -1,
        success: false,
        error: Some("no such table".to_owned()),
        metadata: [("tab".to_owned(), "3".to_owned())].into(),
    }
}

/// The text that [`content`] put in.
pub(crate) fn text(content: &Content) -> &str {
    match content {
        Content::Connection(connection) => &connection.database,
        Content::SavedQuery(query) => &query.query,
        Content::QueryHistory(entry) => &entry.query,
    }
}

/// The same, detected at this second. No two conflicts of a user are detected at the same time.
pub(crate) fn detected(at: i64, conflict: Conflict) -> Conflict {
    Conflict { detected_at: second(at), ..conflict }
}

/// An open conflict about the item `key`; [`crate::draft::Draft::conflict`] gives it its time.
pub(crate) fn conflict(id: &str, key: &ItemKey) -> Conflict {
    let version = |text: &str, device_id: &str| ItemVersion {
        item: Some(Item { content: content(key, text), created_at: second(1) }),
        updated_at: second(2),
        sync_version: 1,
        device: device(device_id),
    };
    Conflict {
        id: ConflictId::parse(id).expect("an id"),
        key: key.clone(),
        local: version("from the laptop", "laptop"),
        remote: version("from the desk", "desk"),
        item_version: 2,
        detected_at: second(3),
        resolution: None,
        seq: Timestamp::EPOCH,
    }
}

/// The same conflict, settled at `at`.
pub(crate) fn settled(conflict: Conflict, at: Timestamp) -> Conflict {
    let settled = Resolution {
        at,
        strategy: Strategy::KeepBoth,
        winner: Some(Winner::Remote),
        copy_id: Some(ItemId::new_unchecked("copy")),
    };
    Conflict { resolution: Some(settled), ..conflict }
}
