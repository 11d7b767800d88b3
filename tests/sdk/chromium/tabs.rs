//! Two tabs with one database.

use serde_json::{Value, json};
use tests::eventually;

use super::assert_complete;
use super::browser::Tab;
use super::world::World;

/// Lifetime of an access token, in seconds, and more.
const TOKEN_LIFETIME: i64 = 25 * 3_600;

const EDITS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_show_each_others_edits_and_upload_each_once() {
    let world = World::start().await;
    let tabs = [world.client("studio", "").await, world.client("studio", "").await];
    tabs[0].call("signUp", json!("ada")).await;
    for tab in &tabs {
        // Only edits wake the schedule.
        tab.call("start", json!({ "delay": 20, "interval": 3_600_000 })).await;
    }
    for edit in 1..=EDITS {
        let syncs = [syncs(&tabs[0]).await, syncs(&tabs[1]).await];
        let (editor, other) = (&tabs[edit % 2], &tabs[(edit + 1) % 2]);
        let text = format!("SELECT {edit}");
        editor.call("write", json!({ "ids": ["q"], "text": text })).await;
        eventually("the other tab shows the edit", async || {
            let seen = other.get("seen").await;
            (seen[0]["text"] == text.as_str()).then_some(())
        })
        .await;
        for (tab, before) in tabs.iter().zip(syncs) {
            eventually("both tabs sync", async || (self::syncs(tab).await > before).then_some(())).await;
        }
    }
    let user = world.user("ada").await;
    let expected = json!([{ "id": "q", "text": format!("SELECT {EDITS}"), "version": EDITS }]);
    assert_eq!(world.texts(&user).await, expected);
    assert_eq!(world.traffic.count("POST /api/sync/upload"), EDITS, "one upload for each edit");
    for tab in &tabs {
        assert_eq!(tab.get("state").await, json!({ "texts": expected, "unsent": 0 }));
        for report in tab.get("reports").await.as_array().expect("a list") {
            assert_complete(report);
        }
    }
}

/// Returns the number of syncs that the schedule of a tab has run.
async fn syncs(tab: &Tab<'_>) -> usize {
    tab.get("reports").await.as_array().map(Vec::len).expect("a list")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tabs_refresh_an_expired_token_once() {
    for locks in ["locks=web", "locks=none"] {
        refresh_once(locks).await;
    }
}

async fn refresh_once(locks: &str) {
    let world = World::start().await;
    let tabs = [world.client("studio", locks).await, world.client("studio", locks).await];
    tabs[0].call("signUp", json!("ada")).await;
    for round in 1..=3 {
        world.service.clock.advance(TOKEN_LIFETIME);
        // Both send the expired token.
        world.traffic.meet("GET /api/auth/profile", 2);
        let calls = [tabs[0].begin("profile", Value::Null).await, tabs[1].begin("profile", Value::Null).await];
        for (tab, call) in tabs.iter().zip(calls) {
            assert_eq!(tab.end(call).await, "ada");
        }
        assert_eq!(world.traffic.count("POST /api/auth/refresh"), round, "{locks}");
        world.service.clock.advance(TOKEN_LIFETIME / 2);
        let calls = [tabs[0].begin("sync", Value::Null).await, tabs[1].begin("sync", Value::Null).await];
        for (tab, call) in tabs.iter().zip(calls) {
            assert_complete(&tab.end(call).await);
        }
        assert_eq!(world.traffic.count("POST /api/auth/refresh"), round, "{locks}");
    }
}
