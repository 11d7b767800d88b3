//! Retention: what a purge removes, and when.

use axum::http::Method;
use purge::Report;
use serde_json::json;
use shared::clock::Clock;
use shared::models::{PlacedUser, UserId};
use tests::{PASSWORD, Request, Service, TestUser, connection, history, query_update, refresh, saved_query, try_login};

use crate::helpers::{DAY, choose, query_deletion};

#[tokio::test]
async fn tombstones_are_purged_after_thirty_days() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let mut laptop = ada.device("laptop");
    for (kind, data) in [
        ("connection", connection("shop")),
        ("saved_query", saved_query("orders", "select 1")),
        ("query_history", history("select 1")),
    ] {
        laptop.write(kind, "gone", data.clone(), service.clock.now());
        laptop.write(kind, "kept", data, service.clock.now());
        laptop.delete(kind, "gone", service.clock.now());
    }
    laptop.sync().await;
    let from_start = "&since=1970-01-01T00:00:00Z";
    assert_eq!(ada.download(from_start).await["deleted"].as_array().unwrap().len(), 3);

    service.clock.advance(30 * DAY);
    assert_eq!(service.purge().await.tombstones, 0);
    let ada = ada.log_in().await;
    assert_eq!(ada.download(from_start).await["deleted"].as_array().unwrap().len(), 3);

    service.clock.advance(60);
    let report = service.purge().await;
    assert_eq!((report.tombstones, report.unfinished), (3, false));
    let page = ada.download(from_start).await;
    assert_eq!((&page["deleted"], &page["reset"]), (&json!([]), &json!(true)));
    let status = ada.get("/api/sync/status").await.expect(200);
    assert_eq!(status["counts"], json!({ "connection": 1, "saved_query": 1, "query_history": 1 }));
    assert_eq!(service.purge().await, Report::default(), "a second purge removes nothing");
}

#[tokio::test]
async fn purge_forces_a_full_sync_only_for_affected_users() {
    let service = Service::start().await;
    let (ada, bob) = (TestUser::sign_up(&service.api, "ada").await, TestUser::sign_up(&service.api, "bob").await);
    for user in [&ada, &bob] {
        user.upload("laptop", &[query_update(&service, "1", "q", "select 1", 0)]).await;
    }
    let since = |page: &serde_json::Value| format!("&since={}", page["sync_timestamp"].as_str().unwrap());
    let (adas_cursor, bobs_cursor) = (since(&ada.download("").await), since(&bob.download("").await));
    service.clock.advance(60);
    ada.upload("laptop", &[query_deletion(&service, "2", "q", 1)]).await;
    service.clock.advance(31 * DAY);
    assert_eq!(service.purge().await.tombstones, 1);
    let (ada, bob) = (ada.log_in().await, bob.log_in().await);
    assert_eq!(ada.download(&adas_cursor).await["reset"], true);
    assert_eq!(bob.download(&bobs_cursor).await["reset"], false);
}

#[tokio::test]
async fn edit_of_a_purged_item_conflicts_with_its_successor() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let (mut laptop, mut phone) = (ada.device("laptop"), ada.device("phone").with_strategy("user_choice"));
    laptop.write("saved_query", "q", saved_query("q", "select 1"), service.clock.now());
    laptop.sync().await;
    phone.sync().await;
    service.clock.advance(60);
    laptop.delete("saved_query", "q", service.clock.now());
    laptop.sync().await;
    service.clock.advance(31 * DAY);
    service.purge().await;
    let ada = ada.log_in().await;
    laptop.set_token(&ada.token);
    phone.set_token(&ada.token);
    laptop.write("saved_query", "q", saved_query("q", "select 'new'"), service.clock.now());
    laptop.sync().await;
    phone.write("saved_query", "q", saved_query("q", "select 'phone'"), service.clock.now());
    let response = phone.upload().await;
    assert_eq!(response["conflicts"][0]["item_id"], "q", "{response}");
    assert_eq!(ada.query_text("q").await.unwrap(), "select 'new'");
}

#[tokio::test]
async fn resolved_conflicts_are_purged_after_thirty_days_and_open_ones_never() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let updates = ["settled", "open"].map(|item| query_update(&service, item, item, "select 1", 0));
    ada.upload("laptop", &updates).await;
    let changes = ["settled", "open"].map(|item| query_update(&service, item, item, "select 'phone'", 0));
    let body = json!({ "device_id": "phone", "conflict_strategy": "user_choice", "changes": changes });
    let response = ada.post("/api/sync/upload", &body).await.expect(200);
    let conflict = &response["conflicts"][0];
    ada.resolve(conflict, &choose("remote")).await.expect(200);

    service.clock.advance(30 * DAY);
    assert_eq!(service.purge().await.conflicts, 0);
    service.clock.advance(60);
    assert_eq!(service.purge().await.conflicts, 1);
    let ada = ada.log_in().await;
    let left = ada.conflicts("all").await;
    assert_eq!((left.len(), &left[0]["item_id"]), (1, &json!("open")));
    ada.resolve(conflict, &choose("remote")).await.expect_error(404, "NOT_FOUND");

    let again = ada.post("/api/sync/upload", &body).await.expect(200);
    assert_eq!((&again["success"], &again["rejected"]), (&json!(true), &json!([])));
    assert_eq!(ada.conflicts("all").await.len(), 1, "a late repeat creates no new conflict");
    assert_eq!(ada.query_text("settled").await.unwrap(), "select 1");
}

#[tokio::test]
async fn purge_removes_only_expired_tokens_and_sessions() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    service.deliver_due_emails().await;
    service.clock.advance(DAY / 2);
    let bob = TestUser::sign_up(&service.api, "bob").await;
    assert_eq!(service.purge().await, Report::default());

    service.deliver_due_emails().await;
    service.clock.advance(DAY / 2);
    assert_eq!(service.purge().await.expired, 1, "the link in Ada's email");
    service.clock.advance(6 * DAY);
    // Keys in Redis expire by themselves.
    let expired_session_rows = if service.on_servers() { 0 } else { 2 };
    assert_eq!(
        service.purge().await.expired,
        1 + expired_session_rows,
        "Bob's link, Ada's session and its refresh token"
    );
    assert_eq!(refresh(&service.api, &ada.refresh_token).await.status, 401);
    refresh(&service.api, &bob.refresh_token).await.expect(200);
    ada.log_in().await;
}

/// Creates a user with a saved query whose account deletion was interrupted after the first step.
async fn user_with_interrupted_deletion(service: &Service) -> (TestUser, UserId) {
    let ada = TestUser::sign_up(&service.api, "ada").await;
    ada.upload("laptop", &[query_update(service, "1", "q", "select 1", 0)]).await;
    let profile = ada.get("/api/auth/profile").await.expect(200);
    let user = profile["user"]["id"].as_str().and_then(|id| id.parse().ok()).expect("a user has an id");
    service.begin_deletion(user).await;
    (ada, user)
}

#[tokio::test]
async fn purge_completes_an_interrupted_account_deletion() {
    let service = Service::start().await;
    let (ada, user) = user_with_interrupted_deletion(&service).await;
    try_login(&service.api, "ada", PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
    let newcomer = TestUser::sign_up(&service.api, "ada").await;

    assert_eq!(service.purge().await.accounts, 1);
    ada.get("/api/sync/status").await.expect_error(401, "UNAUTHORIZED");
    assert_eq!(service.purge().await.accounts, 0);
    newcomer.upload("laptop", &[query_update(&service, "1", "q", "select 'new'", 0)]).await;

    // The marker that rejects late uploads is itself purged after thirty days. No data must remain then.
    service.clock.advance(31 * DAY);
    service.purge().await;
    // The account store does not know the user any more, so the hint says where to look.
    let databases = service.app.stores.accounts().database_set().await.unwrap().members;
    let user = PlacedUser { id: user, database: databases.first().map(|database| database.id) };
    let left = service.app.stores.data().status(user).await.unwrap();
    assert_eq!((left.items, left.devices.len(), left.open_conflicts), ([0, 0, 0], 0, 0));
    assert_eq!(newcomer.log_in().await.query_text("q").await.unwrap(), "select 'new'");
}

#[tokio::test]
async fn interrupted_account_deletion_can_be_repeated() {
    let service = Service::start().await;
    let (ada, _) = user_with_interrupted_deletion(&service).await;
    let delete_account = Request::new(Method::DELETE, "/api/auth/profile").json(&json!({ "password": PASSWORD }));
    ada.send(delete_account).await.expect(200);
    ada.get("/api/sync/status").await.expect_error(401, "UNAUTHORIZED");
    assert_eq!(service.purge().await.accounts, 0, "nothing is left to complete");
}
