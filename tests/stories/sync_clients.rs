//! Sync clients with an engine of their own: compare-and-swap, the state of an item in every answer, conflicts as changes, one
//! cursor per type, and several full syncs of one device.

use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Service, TestUser, connection, error_fields, history, pluck, query_update, saved_query};

use crate::helpers::{DAY, choose, query_deletion};

async fn upload(ada: &TestUser, device: &str, strategy: &str, changes: &[Value]) -> Value {
    let body = json!({ "device_id": device, "conflict_strategy": strategy, "changes": changes });
    ada.post("/api/sync/upload", &body).await.expect(200)
}

fn cursor(page: &Value) -> String {
    format!("&since={}", page["sync_timestamp"].as_str().expect("a time"))
}

#[tokio::test]
async fn a_push_that_overtakes_a_pull_loses_no_edit() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    upload(&ada, "laptop", "refuse", &[query_update(&service, "1", "q", "one", 0)]).await;
    let push = async |id: &str, text: &str, base: i64| {
        upload(&ada, "laptop", "refuse", &[query_update(&service, id, "q", text, base)]).await
    };
    assert_eq!(push("2", "two", 1).await["applied"][0]["sync_version"], 2);
    let refused = push("3", "three", 1).await;
    assert_eq!(
        (&refused["success"], &refused["applied"], &refused["rejected"]),
        (&json!(true), &json!([]), &json!([]))
    );
    let mut entry = refused["conflicts"][0].clone();
    let current = entry.as_object_mut().unwrap().remove("current").unwrap();
    assert_eq!(
        entry,
        json!({ "change_id": "3", "item_type": "saved_query", "item_id": "q", "sync_version": 2, "refused": true })
    );
    assert_eq!((&current["sync_version"], &current["deleted"]), (&json!(2), &json!(false)));
    assert_eq!(current["data"], ada.saved_query("q").await.unwrap());
    assert_eq!(push("4", "three, merged", 2).await["applied"][0]["sync_version"], 3);
    assert_eq!(ada.conflicts("all").await, [] as [Value; 0], "nothing is recorded");
    assert_eq!(ada.get("/api/sync/status").await.expect(200)["devices"][0]["conflicts_count"], 0);
    let again = push("3", "three", 1).await;
    assert_eq!(again["conflicts"][0]["current"]["sync_version"], 3, "a refused change has left no trace");
}

#[tokio::test]
async fn refuse_compares_absent_and_deleted_items_too() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let refused = upload(&ada, "phone", "refuse", &[query_update(&service, "1", "q", "one", 4)]).await;
    let absent = json!({ "sync_version": 0, "deleted": true });
    assert_eq!((&refused["conflicts"][0]["sync_version"], &refused["conflicts"][0]["current"]), (&json!(0), &absent));
    upload(&ada, "phone", "refuse", &[query_update(&service, "2", "q", "one", 0)]).await;
    upload(&ada, "laptop", "refuse", &[query_deletion(&service, "3", "q", 1)]).await;
    let refused = upload(&ada, "phone", "refuse", &[query_update(&service, "4", "q", "two", 1)]).await;
    assert_eq!(refused["conflicts"][0]["current"], json!({ "sync_version": 2, "deleted": true }));
    let gone = upload(&ada, "phone", "refuse", &[query_deletion(&service, "5", "q", 1)]).await;
    assert_eq!(gone["applied"][0]["sync_version"], 2, "it is not there already");
    let twice = [query_update(&service, "6", "q", "six", 2), query_update(&service, "7", "q", "seven", 3)];
    let response = upload(&ada, "phone", "refuse", &twice).await;
    assert_eq!((&response["applied"][0]["sync_version"], &response["success"]), (&json!(3), &json!(false)));
    assert_eq!(response["rejected"][0]["code"], "INVALID_CHANGE");
    assert_eq!(response["rejected"][0]["details"][0]["field"], "changes[1].item_id");
}

#[tokio::test]
async fn refuse_answers_with_the_item_before_it_demands_a_resync() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    upload(&ada, "laptop", "refuse", &[query_update(&service, "1", "q", "one", 0)]).await;
    upload(&ada, "laptop", "refuse", &[query_deletion(&service, "2", "q", 1)]).await;
    service.clock.advance(31 * DAY);
    service.purge().await;
    let ada = ada.log_in().await;
    let late = [query_update(&service, "3", "q", "late", 1)];
    assert_eq!(upload(&ada, "phone", "refuse", &late).await["conflicts"][0]["refused"], true);
    assert_eq!(upload(&ada, "phone", "user_choice", &late).await["rejected"][0]["code"], "RESYNC_REQUIRED");
}

#[tokio::test]
async fn resolving_by_a_strategy_for_uploads_is_an_error() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let body = json!({ "device_id": "d", "conflict_strategy": "retreat", "changes": [] });
    let error = ada.post("/api/sync/upload", &body).await.expect_error(400, "INVALID_REQUEST");
    assert_eq!(error_fields(&error), ["conflict_strategy", "changes"]);
    for strategy in ["refuse", "merge"] {
        let error = ada.post("/api/sync/conflicts/c/resolve", &json!({ "strategy": strategy })).await;
        assert_eq!(error_fields(&error.expect_error(400, "INVALID_REQUEST")), ["strategy"]);
    }
}

#[tokio::test]
async fn an_answer_has_the_item_where_it_is_not_what_the_change_said() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let current =
        |response: &Value, list: &str| response[list][0].get("current").map(|now| now["sync_version"].clone());
    let first = [query_update(&service, "1", "q", "one", 0)];
    assert_eq!(current(&upload(&ada, "laptop", "user_choice", &first).await, "applied"), None);
    assert_eq!(current(&upload(&ada, "laptop", "user_choice", &first).await, "applied"), None, "nothing has changed");
    upload(&ada, "phone", "user_choice", &[query_update(&service, "2", "q", "two", 1)]).await;
    let overtaken = upload(&ada, "laptop", "user_choice", &first).await;
    assert_eq!(current(&overtaken, "applied"), Some(json!(2)));
    assert_eq!(overtaken["applied"][0]["sync_version"], 1, "the answer of the first time");

    let open = upload(&ada, "laptop", "user_choice", &[query_update(&service, "3", "q", "three", 1)]).await;
    assert_eq!((current(&open, "conflicts"), &open["conflicts"][0]["sync_version"]), (Some(json!(2)), &json!(2)));
    service.clock.advance(1);
    let won = upload(&ada, "desk", "last_write_wins", &[query_update(&service, "4", "q", "four", 1)]).await;
    assert_eq!((current(&won, "conflicts"), &won["conflicts"][0]["sync_version"]), (None, &json!(3)));
    service.clock.advance(-1);
    let lost = upload(&ada, "tablet", "last_write_wins", &[query_update(&service, "5", "q", "five", 1)]).await;
    assert_eq!(current(&lost, "conflicts"), Some(json!(3)));
    let copied = upload(&ada, "watch", "keep_both", &[query_update(&service, "6", "q", "six", 1)]).await;
    assert_eq!(current(&copied, "conflicts"), Some(json!(3)));
}

#[tokio::test]
async fn the_data_of_items_is_left_out_of_a_large_answer() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let text = "x".repeat(900_000);
    for n in 0..6 {
        let id = format!("q{n}");
        upload(&ada, "laptop", "refuse", &[query_update(&service, &id, &id, &text, 0)]).await;
    }
    let stale = (0..6).map(|n| query_update(&service, &format!("p{n}"), &format!("q{n}"), "stale", 7));
    let response = upload(&ada, "phone", "refuse", &stale.collect::<Vec<_>>()).await;
    let conflicts = response["conflicts"].as_array().unwrap();
    let with_data = conflicts.iter().filter(|entry| entry["current"].get("data").is_some()).count();
    assert_eq!((conflicts.len(), with_data), (6, 4));
    assert!(
        conflicts.iter().all(|entry| entry["current"]["sync_version"] == 1 && entry["current"]["deleted"] == false)
    );
    assert!(response.to_string().len() <= 4_000_000);
}

#[tokio::test]
async fn a_repeated_deletion_of_an_absent_entry_learns_that_it_exists() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let delete = [json!({ "id": "1", "item_type": "query_history", "item_id": "h", "action": "delete",
        "updated_at": service.clock.now().to_string() })];
    assert_eq!(upload(&ada, "laptop", "refuse", &delete).await["applied"][0].get("current"), None);
    let add =
        json!({ "id": "2", "item_type": "query_history", "item_id": "h", "action": "create", "data": history("one") });
    upload(&ada, "phone", "refuse", &[add]).await;
    let current = upload(&ada, "laptop", "refuse", &delete).await["applied"][0]["current"].clone();
    assert_eq!((&current["sync_version"], &current["deleted"]), (&json!(1), &json!(false)));
}

#[tokio::test]
async fn an_edit_of_history_is_ignored_and_says_so() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let add = |id: &str, text: &str| json!({ "id": id, "item_type": "query_history", "item_id": "h", "action": "create", "data": history(text) });
    let plain = json!({ "change_id": "1", "item_type": "query_history", "item_id": "h", "sync_version": 1 });
    for _ in 0..2 {
        assert_eq!(upload(&ada, "laptop", "refuse", &[add("1", "one")]).await["applied"][0], plain);
    }
    let edit = upload(&ada, "laptop", "refuse", &[add("2", "two")]).await;
    assert_eq!((&edit["applied"][0]["unchanged"], &edit["applied"][0]["sync_version"]), (&json!(true), &json!(1)));
    assert_eq!(edit["applied"][0]["current"]["data"]["query"], "one");
    assert_eq!(upload(&ada, "laptop", "refuse", &[add("2", "two")]).await["applied"], edit["applied"], "a repeat");
    let deletion = json!({ "id": "3", "item_type": "query_history", "item_id": "h", "action": "delete",
        "updated_at": service.clock.now().to_string() });
    upload(&ada, "laptop", "refuse", &[deletion]).await;
    for purged in [false, true] {
        if purged {
            service.clock.advance(31 * DAY);
            service.purge().await;
        }
        let ada = ada.log_in().await;
        for (change, is_unchanged) in [(add("1", "one"), None), (add("2", "two"), Some(&json!(true)))] {
            let again = upload(&ada, "laptop", "refuse", &[change]).await["applied"][0].clone();
            assert_eq!((again.get("unchanged"), &again["sync_version"]), (is_unchanged, &json!(1)), "purged: {purged}");
            let version = if purged { 0 } else { 2 };
            assert_eq!(again["current"], json!({ "sync_version": version, "deleted": true }), "purged: {purged}");
        }
    }
}

/// Creates `count` open conflicts of the phone.
async fn open_conflicts(service: &Service, ada: &TestUser, count: usize) {
    let edits = |id: &str, text: &str| -> Vec<Value> {
        (0..count).map(|n| query_update(service, &format!("{id}{n}"), &format!("q{n}"), text, 0)).collect()
    };
    ada.upload("laptop", &edits("l", "laptop")).await;
    let response = upload(ada, "phone", "user_choice", &edits("p", "phone")).await;
    assert_eq!(response["conflicts"].as_array().expect("a list").len(), count);
}

#[tokio::test]
async fn conflicts_are_downloaded_once() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    open_conflicts(&service, &ada, 3).await;
    let whole = ada.download("").await;
    assert_eq!(pluck(&whole["conflicts"], "item_id"), ["q0", "q1", "q2"]);
    let idle = ada.download(&cursor(&whole)).await;
    assert_eq!((&idle["conflicts"], &idle["sync_timestamp"]), (&json!([]), &whole["sync_timestamp"]));

    ada.resolve(&whole["conflicts"][1], &choose("local")).await.expect(200);
    let delta = ada.download(&cursor(&whole)).await;
    assert_eq!((pluck(&delta["conflicts"], "item_id"), pluck(&delta["saved_queries"], "id")), (vec!["q1"], vec!["q1"]));
    assert_eq!(delta["conflicts"][0]["winner"], "local");
    assert_eq!(pluck(&ada.download("").await["conflicts"], "item_id"), ["q0", "q2"], "the open ones");

    let mut since = String::new();
    let (mut items, mut conflicts) = (Vec::new(), Vec::new());
    for page in 1.. {
        let page_of_one = ada.download(&format!("&limit=1{since}")).await;
        let count = ["saved_queries", "conflicts"].map(|list| page_of_one[list].as_array().unwrap().len());
        assert_eq!(count[0] + count[1], 1, "page {page}");
        items.extend(pluck(&page_of_one["saved_queries"], "id").into_iter().map(str::to_owned));
        conflicts.extend(pluck(&page_of_one["conflicts"], "item_id").into_iter().map(str::to_owned));
        since = cursor(&page_of_one);
        if page_of_one["has_more"] == false {
            break;
        }
    }
    // Pages after the first are deltas: they also have conflicts that were resolved.
    assert_eq!(
        (items, conflicts),
        (["q0", "q2", "q1"].map(str::to_owned).into(), ["q0", "q2", "q1"].map(str::to_owned).into())
    );
}

#[tokio::test]
async fn a_purged_conflict_resets_a_device_that_may_show_it() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    open_conflicts(&service, &ada, 1).await;
    let seen = ada.download("").await;
    let resolved = ada.resolve(&seen["conflicts"][0], &choose("remote")).await.expect(200);
    assert_eq!(resolved["success"], true);
    let current = ada.download(&cursor(&seen)).await;
    service.clock.advance(31 * DAY);
    assert_eq!(service.purge().await.conflicts, 1);
    let ada = ada.log_in().await;
    assert_eq!(ada.download(&cursor(&current)).await["reset"], false);
    let page = ada.download(&cursor(&seen)).await;
    assert_eq!((&page["reset"], &page["conflicts"]), (&json!(true), &json!([])));
}

#[tokio::test]
async fn a_download_is_about_the_requested_types() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    open_conflicts(&service, &ada, 1).await;
    let now = service.clock.now().to_string();
    let create = |item_type: &str, data: Value| json!({ "id": item_type, "item_type": item_type, "item_id": "i", "action": "create", "data": data, "updated_at": now });
    ada.upload("laptop", &[create("connection", connection("shop")), create("query_history", history("select 1"))])
        .await;
    let whole = ada.download("").await;
    for (types, lists) in [
        (&["connection"] as &[&str], &["connections"] as &[&str]),
        (&["saved_query"], &["saved_queries"]),
        (&["query_history"], &["query_history"]),
        (&["connection", "query_history"], &["connections", "query_history"]),
        (&["connection", "saved_query", "query_history"], &["connections", "saved_queries", "query_history"]),
    ] {
        let query: String = types.iter().map(|item_type| format!("&item_type={item_type}")).collect();
        let page = ada.download(&query).await;
        for list in ["connections", "saved_queries", "query_history"] {
            let expected = if lists.contains(&list) { &whole[list] } else { &json!([]) };
            assert_eq!(&page[list], expected, "{list} of {types:?}");
            assert_eq!(
                page["digest"].get(list),
                whole["digest"].get(list).filter(|_| lists.contains(&list)),
                "{types:?}"
            );
        }
        let conflicts = if types.contains(&"saved_query") { &whole["conflicts"] } else { &json!([]) };
        assert_eq!((&page["conflicts"], &page["sync_timestamp"]), (conflicts, &whole["sync_timestamp"]), "{types:?}");
    }
}

#[tokio::test]
async fn one_cursor_per_type_misses_nothing() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let now = service.clock.now().to_string();
    let create = |n: usize| {
        let (item_type, data) =
            [("connection", connection("shop")), ("saved_query", saved_query("q", "select 1"))][n % 2].clone();
        json!({ "id": format!("{n}"), "item_type": item_type, "item_id": format!("i{n}"), "action": "create", "data": data,
            "updated_at": now })
    };
    ada.upload("laptop", &(0..20).map(create).collect::<Vec<_>>()).await;
    for (item_type, list) in [("connection", "connections"), ("saved_query", "saved_queries")] {
        let (mut since, mut seen) = (String::new(), Vec::new());
        loop {
            let page = ada.download(&format!("&item_type={item_type}&limit=3{since}")).await;
            seen.extend(pluck(&page[list], "id").into_iter().map(str::to_owned));
            since = cursor(&page);
            if page["has_more"] == false {
                break;
            }
        }
        let expected: Vec<String> =
            (usize::from(list != "connections")..20).step_by(2).map(|n| format!("i{n}")).collect();
        assert_eq!(seen, expected);
    }
}

/// Creates a user with 300 items before the purge horizon.
async fn user_with_purged_deletions(service: &Service) -> TestUser {
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let items: Vec<Value> =
        (0..300).map(|n| query_update(service, &format!("{n}"), &format!("q{n}"), "select 1", 0)).collect();
    ada.upload("laptop", &items).await;
    ada.upload("laptop", &[query_deletion(service, "deleted", "q299", 1)]).await;
    service.clock.advance(31 * DAY);
    assert_eq!(service.purge().await.tombstones, 1);
    ada.log_in().await
}

#[tokio::test]
async fn full_syncs_of_one_device_do_not_restart_each_other() {
    let service = Service::start().await;
    let ada = user_with_purged_deletions(&service).await;
    let mut downloads = [100, 70, 100, 30].map(|limit| (limit, String::new(), 0, 0));
    let mut turn = 0;
    while downloads.iter().any(|(_, since, ..)| since != "done") {
        turn += 1;
        assert!(turn < 100, "the downloads do not end: {downloads:?}");
        for (limit, since, items, resets) in downloads.iter_mut().filter(|(_, since, ..)| since != "done") {
            let page = ada.download(&format!("&limit={limit}{since}")).await;
            *items += page["saved_queries"].as_array().unwrap().len();
            *resets += usize::from(page["reset"] == true);
            *since = if page["has_more"] == true { cursor(&page) } else { "done".to_owned() };
        }
    }
    for (limit, _, items, resets) in downloads {
        assert_eq!((items, resets), (299, 1), "{limit} at a time");
    }
}

#[tokio::test]
async fn an_outdated_cursor_is_not_taken_for_one_of_a_full_sync() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let create = |id: &str| query_update(&service, id, id, "select 1", 0);
    ada.upload("laptop", &[create("x"), create("a"), create("b")]).await;
    let outdated = cursor(&ada.download("").await);
    ada.upload("laptop", &[query_deletion(&service, "deleted", "x", 1), create("c"), create("e")]).await;
    service.clock.advance(31 * DAY);
    service.purge().await;
    let ada = ada.log_in().await;
    let lost = ada.download(&format!("&limit=2{outdated}")).await;
    assert_eq!((&lost["reset"], pluck(&lost["saved_queries"], "id")), (&json!(true), vec!["a", "b"]));
    assert_eq!(ada.download(&format!("&limit=2{outdated}")).await, lost, "the answer was lost, and x is still there");
    let next = ada.download(&format!("&limit=2{}", cursor(&lost))).await;
    assert_eq!((&next["reset"], pluck(&next["saved_queries"], "id")), (&json!(false), vec!["c", "e"]));
    assert_eq!(ada.download(&outdated).await["reset"], true, "another tab has the outdated cursor");
}

#[tokio::test]
async fn a_page_of_a_full_sync_can_be_requested_again() {
    let service = Service::start().await;
    let ada = user_with_purged_deletions(&service).await;
    let first = ada.download("&limit=100").await;
    let second = ada.download(&format!("&limit=100{}", cursor(&first))).await;
    let third = ada.download(&format!("&limit=100{}", cursor(&second))).await;
    assert_eq!(third["has_more"], false);
    for (page, before) in [(&second, &first), (&third, &second), (&second, &first)] {
        assert_eq!(&ada.download(&format!("&limit=100{}", cursor(before))).await, page);
    }
}
