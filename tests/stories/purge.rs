//! What is forgotten, and when.

use axum::http::Method;
use purge::Report;
use serde_json::json;
use shared::clock::Clock;
use shared::models::UserId;
use tests::{Call, PASSWORD, Person, Service, connection, history, refresh, saved_query, try_login, write};

use crate::verbs::{DAY, choose, delete};

#[tokio::test]
async fn what_was_deleted_is_forgotten_after_thirty_days() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let mut laptop = ada.device("laptop");
    for (kind, data) in [
        ("connection", connection("shop")),
        ("saved_query", saved_query("orders", "select 1")),
        ("query_history", history("select 1")),
    ] {
        laptop.writes(kind, "gone", data.clone(), service.clock.now());
        laptop.writes(kind, "kept", data, service.clock.now());
        laptop.deletes(kind, "gone", service.clock.now());
    }
    laptop.syncs().await;
    let from_the_beginning = "&since=1970-01-01T00:00:00Z";
    assert_eq!(ada.downloads(from_the_beginning).await["deleted"].as_array().unwrap().len(), 3);

    service.clock.advance(30 * DAY);
    assert_eq!(service.purge().await.tombstones, 0);
    let ada = ada.logs_in().await;
    assert_eq!(ada.downloads(from_the_beginning).await["deleted"].as_array().unwrap().len(), 3);

    service.clock.advance(60);
    let report = service.purge().await;
    assert_eq!((report.tombstones, report.unfinished), (3, false));
    let page = ada.downloads(from_the_beginning).await;
    assert_eq!((&page["deleted"], &page["reset"]), (&json!([]), &json!(true)));
    let status = ada.gets("/api/sync/status").await.expect(200);
    assert_eq!(status["counts"], json!({ "connection": 1, "saved_query": 1, "query_history": 1 }));
    assert_eq!(service.purge().await, Report::default(), "there is nothing left to do");
}

#[tokio::test]
async fn one_users_purge_is_no_other_users_horizon() {
    let service = Service::start().await;
    let (ada, bob) = (Person::joins(&service.api, "ada").await, Person::joins(&service.api, "bob").await);
    for person in [&ada, &bob] {
        person.uploads("laptop", &[write(&service, "1", "q", "select 1", 0)]).await;
    }
    let since = |page: &serde_json::Value| format!("&since={}", page["sync_timestamp"].as_str().unwrap());
    let (of_ada, of_bob) = (since(&ada.downloads("").await), since(&bob.downloads("").await));
    service.clock.advance(60);
    ada.uploads("laptop", &[delete(&service, "2", "q", 1)]).await;
    service.clock.advance(31 * DAY);
    assert_eq!(service.purge().await.tombstones, 1);
    let (ada, bob) = (ada.logs_in().await, bob.logs_in().await);
    assert_eq!(ada.downloads(&of_ada).await["reset"], true);
    assert_eq!(bob.downloads(&of_bob).await["reset"], false);
}

#[tokio::test]
async fn an_edit_of_an_item_from_before_the_purge_is_none_of_its_successor() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let (mut laptop, mut phone) = (ada.device("laptop"), ada.device("phone").settling_by("user_choice"));
    laptop.writes("saved_query", "q", saved_query("q", "select 1"), service.clock.now());
    laptop.syncs().await;
    phone.syncs().await;
    service.clock.advance(60);
    laptop.deletes("saved_query", "q", service.clock.now());
    laptop.syncs().await;
    service.clock.advance(31 * DAY);
    service.purge().await;
    let ada = ada.logs_in().await;
    laptop.authenticates(&ada.token);
    phone.authenticates(&ada.token);
    laptop.writes("saved_query", "q", saved_query("q", "select 'new'"), service.clock.now());
    laptop.syncs().await;
    phone.writes("saved_query", "q", saved_query("q", "select 'phone'"), service.clock.now());
    let answer = phone.uploads().await;
    assert_eq!(answer["conflicts"][0]["item_id"], "q", "{answer}");
    assert_eq!(ada.reads("q").await.unwrap(), "select 'new'");
}

#[tokio::test]
async fn a_settled_conflict_is_forgotten_after_thirty_days_and_an_open_one_never() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let written = ["settled", "open"].map(|item| write(&service, item, item, "select 1", 0));
    ada.uploads("laptop", &written).await;
    let changes = ["settled", "open"].map(|item| write(&service, item, item, "select 'phone'", 0));
    let body = json!({ "device_id": "phone", "conflict_strategy": "user_choice", "changes": changes });
    let met = ada.posts("/api/sync/upload", &body).await.expect(200);
    let conflict = &met["conflicts"][0];
    ada.settles(conflict, &choose("remote")).await.expect(200);

    service.clock.advance(30 * DAY);
    assert_eq!(service.purge().await.conflicts, 0);
    service.clock.advance(60);
    assert_eq!(service.purge().await.conflicts, 1);
    let ada = ada.logs_in().await;
    let left = ada.conflicts("all").await;
    assert_eq!((left.len(), &left[0]["item_id"]), (1, &json!("open")));
    ada.settles(conflict, &choose("remote")).await.refused(404, "NOT_FOUND");

    let again = ada.posts("/api/sync/upload", &body).await.expect(200);
    assert_eq!((&again["success"], &again["rejected"]), (&json!(true), &json!([])));
    assert_eq!(ada.conflicts("all").await.len(), 1, "a late repeat makes no new conflict");
    assert_eq!(ada.reads("settled").await.unwrap(), "select 1");
}

#[tokio::test]
async fn what_has_expired_is_removed_and_what_lives_is_left() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    service.deliver().await;
    service.clock.advance(DAY / 2);
    let bob = Person::joins(&service.api, "bob").await;
    assert_eq!(service.purge().await, Report::default());

    service.deliver().await;
    service.clock.advance(DAY / 2);
    assert_eq!(service.purge().await.expired, 1, "the link in Ada's mail");
    service.clock.advance(6 * DAY);
    // What Redis keeps is forgotten by itself.
    let of_sessions = if service.on_servers() { 0 } else { 2 };
    assert_eq!(service.purge().await.expired, 1 + of_sessions, "Bob's link, Ada's session and its refresh token");
    assert_eq!(refresh(&service.api, &ada.refresh_token).await.status, 401);
    refresh(&service.api, &bob.refresh_token).await.expect(200);
    ada.logs_in().await;
}

/// Somebody with a saved query whose deletion was begun, and broke off there.
async fn leaves_halfway(service: &Service) -> (Person, UserId) {
    let ada = Person::joins(&service.api, "ada").await;
    ada.uploads("laptop", &[write(service, "1", "q", "select 1", 0)]).await;
    let profile = ada.gets("/api/auth/profile").await.expect(200);
    let user = profile["user"]["id"].as_str().and_then(|id| id.parse().ok()).expect("a user has an id");
    service.begin_deletion(user).await;
    (ada, user)
}

#[tokio::test]
async fn a_deletion_that_was_interrupted_is_followed_up() {
    let service = Service::start().await;
    let (ada, user) = leaves_halfway(&service).await;
    try_login(&service.api, "ada", PASSWORD).await.refused(401, "INVALID_CREDENTIALS");
    let newcomer = Person::joins(&service.api, "ada").await;

    assert_eq!(service.purge().await.accounts, 1);
    ada.gets("/api/sync/status").await.refused(401, "UNAUTHORIZED");
    assert_eq!(service.purge().await.accounts, 0);
    newcomer.uploads("laptop", &[write(&service, "1", "q", "select 'new'", 0)]).await;

    // The mark that keeps late uploads out is itself forgotten after thirty days: what is there then?
    service.clock.advance(31 * DAY);
    service.purge().await;
    let left = service.app.stores.data().status(user).await.unwrap();
    assert_eq!((left.items, left.devices.len(), left.open_conflicts), ([0, 0, 0], 0, 0));
    assert_eq!(newcomer.logs_in().await.reads("q").await.unwrap(), "select 'new'");
}

#[tokio::test]
async fn a_deletion_that_was_interrupted_goes_on_when_it_is_asked_for_again() {
    let service = Service::start().await;
    let (ada, _) = leaves_halfway(&service).await;
    let leave = Call::new(Method::DELETE, "/api/auth/profile").json(&json!({ "password": PASSWORD }));
    ada.sends(leave).await.expect(200);
    ada.gets("/api/sync/status").await.refused(401, "UNAUTHORIZED");
    assert_eq!(service.purge().await.accounts, 0, "nothing was left to follow up");
}
