//! Number of round trips to each store.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::clock::{SystemClock, SystemRandom, random_uuid};
use shared::models::UserId;
use shared::storage::libsql::Directory;
use shared::storage::{MoveOutcome, UserMoves, connect};
use tests::{Backends, Proxy, Request, Service};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::proxied_service::{ProxiedService, create_phone_conflict, download, entry, query, upload};

/// Sends `request` and returns its round trips to accounts, data and sessions.
async fn round_trips(proxied: &ProxiedService, request: Request) -> [usize; 3] {
    for proxy in proxied.proxies() {
        proxy.take_round_trips();
    }
    proxied.send(request).await.expect(200);
    proxied.proxies().map(tests::Proxy::take_round_trips)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_use_minimal_round_trips() {
    let proxied = ProxiedService::start().await;
    proxied.assert_healthy().await;
    let since = proxied.send(download()).await.expect(200)["sync_timestamp"].as_str().expect("a time").to_owned();
    let poll = Request::get(format!("/api/sync/download?device_id=phone&since={since}"));
    let hundred = |changes: fn(&str) -> Value| -> Vec<Value> {
        (0..100).map(|index| changes(&format!("many {index}"))).collect()
    };
    for (description, request, expected) in [
        ("an upload of one edit", upload(&[query("one", 1)]), [0, 2, 1]),
        ("an upload of a hundred", upload(&hundred(|id| query(id, 1))), [0, 2, 1]),
        ("the same again", upload(&hundred(|id| query(id, 1))), [0, 1, 1]),
        ("an upload of new history alone", upload(&hundred(entry)), [0, 1, 1]),
        ("the same history again", upload(&hundred(entry)), [0, 2, 1]),
        ("a refused upload", refused_upload(), [0, 1, 1]),
        ("a download", download(), [0, 1, 1]),
        ("a poll that finds something", poll, [0, 1, 1]),
        ("the status", Request::get("/api/sync/status"), [0, 1, 1]),
        ("the conflicts", Request::get("/api/sync/conflicts"), [0, 1, 1]),
    ] {
        assert_eq!(round_trips(&proxied, request).await, expected, "{description}");
    }
    let newest = proxied.send(download()).await.expect(200)["sync_timestamp"].as_str().expect("a time").to_owned();
    let empty_poll = Request::get(format!("/api/sync/download?device_id=phone&since={newest}"));
    // The first one loads the script into Redis.
    round_trips(&proxied, empty_poll.clone()).await;
    assert_eq!(round_trips(&proxied, empty_poll).await, [0, 1, 2], "a poll that finds nothing");
    proxied.send(upload(&[query("one", 2)])).await.expect(200);
    let path = format!("/api/sync/conflicts/{}/resolve", create_phone_conflict(&proxied, "one").await);
    for (description, expected) in [("resolving a conflict", [0, 2, 1]), ("the same again", [0, 1, 1])] {
        let keep_both = Request::post(path.as_str(), &json!({ "strategy": "keep_both" }));
        assert_eq!(round_trips(&proxied, keep_both).await, expected, "{description}");
    }
}

/// Service with two databases of sync data, with a proxy in front of each server.
struct TwoDatabases {
    service: Service,
    proxies: Vec<Proxy>,
    token: String,
}

impl TwoDatabases {
    async fn start() -> Self {
        let mut backends = Backends::start_servers_with(2).await;
        let proxies = backends.insert_all_proxies().await;
        let service = Service::on_backends(backends, &[("RATE_LIMITS", "on")]).await;
        let account = service.api.sign_up("ada").await;
        let token = account["token"].as_str().expect("a token").to_owned();
        Self { service, proxies, token }
    }

    /// Sends `request` and returns its round trips to accounts, to each of the databases, and to sessions.
    async fn round_trips(&self, request: Request) -> [usize; 4] {
        self.service.clock.advance(60);
        for proxy in &self.proxies {
            proxy.take_round_trips();
        }
        self.service.api.send(request.bearer(&self.token)).await.expect(200);
        let trips: Vec<_> = self.proxies.iter().map(Proxy::take_round_trips).collect();
        trips.try_into().expect("four servers")
    }

    /// Returns the round trips of one look-up of a placement.
    async fn look_up(&self) -> usize {
        self.proxies[0].take_round_trips();
        let nobody = UserId::new(random_uuid(&SystemRandom));
        self.service.app.stores.accounts().placement(nobody).await.expect("the read succeeds");
        self.proxies[0].take_round_trips()
    }

    /// Moves Ada to the other database, without changing the hint of her session. Returns the position of the database in the list.
    async fn move_ada(&self) -> usize {
        let directory = Directory { placements: self.service.app.stores.accounts(), sessions: None };
        let config = self.service.app.config.stores.turso.as_ref().expect("there are URLs");
        let data = connect::sync_data(config, &self.service.app.random, directory).expect("the URLs are valid");
        let accounts = self.service.app.stores.accounts();
        let members = accounts.database_set().await.expect("the read succeeds").members;
        let ada = accounts.find(&"ada".parse().expect("a name")).await.expect("the read succeeds");
        let ada = ada.expect("the account exists").user;
        let target = members.iter().position(|member| Some(member.id) != ada.database).expect("another database");
        let moved = data.move_user(ada.id, members[target].id, &SystemClock).await.expect("the user can be moved");
        assert!(matches!(moved, MoveOutcome::Moved(_)), "{moved:?}");
        target
    }
}

/// Returns round trips to the database at the position `index` of two, between those to accounts and sessions.
fn trips(accounts: usize, index: usize, data: usize, sessions: usize) -> [usize; 4] {
    let mut trips = [accounts, 0, 0, sessions];
    trips[1 + index] = data;
    trips
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn placed_users_need_no_further_round_trips() {
    let placed = TwoDatabases::start().await;
    // The first request asks both databases for their identities. The account store was asked at the sign-up.
    let first = placed.round_trips(upload(&[query("one", 1)])).await;
    let home = usize::from(first[2] > first[1]);
    assert_eq!(first[0], 0, "the session has a hint");
    for (description, request, data) in [
        ("an upload of one edit", upload(&[query("two", 1)]), 2),
        ("an upload of new history alone", upload(&[entry("h")]), 1),
        ("a download", download(), 1),
        ("the status", Request::get("/api/sync/status"), 1),
        ("the conflicts", Request::get("/api/sync/conflicts"), 1),
    ] {
        assert_eq!(placed.round_trips(request).await, trips(0, home, data, 1), "{description}");
    }
    // Each call of the store pays for the old hint: an upload loads and commits.
    for (request, calls) in [(download(), 1), (upload(&[entry("new")]), 1), (upload(&[query("three", 1)]), 2)] {
        let target = placed.move_ada().await;
        let look_up = placed.look_up().await;
        let old_hint = placed.round_trips(request.clone()).await;
        assert_eq!(old_hint[0], calls * look_up, "{calls} look-ups: {old_hint:?}");
        assert_eq!((old_hint[1 + target], old_hint[3]), (calls, 1 + calls), "the hint is renewed: {old_hint:?}");
        assert!(old_hint[2 - target] <= 2 * calls, "{old_hint:?}");
        assert_eq!(placed.round_trips(download()).await, trips(0, target, 1, 1), "with the new hint");
    }
}

/// Returns an upload of a version that the item is not at.
fn refused_upload() -> Request {
    let change = json!({ "id": "refused", "item_type": "saved_query", "item_id": "one", "action": "update", "sync_version": 99,
        "data": { "name": "n", "query": "select 'refused'" }, "updated_at": "2026-01-01T00:00:00Z" });
    let body = json!({ "device_id": "phone", "conflict_strategy": "refuse", "changes": [change] });
    Request::post("/api/sync/upload", &body)
}

/// Eight concurrent service instances, as Lambda runs them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_concurrent_instances_need_at_most_two_rounds_on_average() {
    const BURSTS: usize = 20;
    let proxied = ProxiedService::start().await;
    let barrier = Arc::new(Barrier::new(8));
    let mut instances = JoinSet::new();
    for device in 0..8 {
        let service = Service::on_backends(proxied.share_backends(), &[]).await;
        let (token, barrier) = (proxied.token.clone(), barrier.clone());
        instances.spawn(async move {
            for burst in 0..BURSTS {
                let change = query(&format!("{device} {burst}"), 1);
                let body = json!({ "device_id": format!("device{device}"), "changes": [change] });
                barrier.wait().await;
                service.api.send(Request::post("/api/sync/upload", &body).bearer(&token)).await.expect(200);
                service.clock.advance(60);
            }
        });
    }
    proxied.data.take_round_trips();
    instances.join_all().await;
    let rounds = proxied.data.take_round_trips() as f64 / (2 * 8 * BURSTS) as f64;
    eprintln!("an upload by one of eight concurrent instances needs {rounds:.2} rounds on average");
    assert!(rounds <= 2.0, "{rounds}");
}
