//! Answers that are lost on the way: what was done once is not done twice, and is answered as it was.

use serde_json::{Value, json};
use tests::{Call, Fault};

use crate::behind::{Behind, conflict_of_the_phone, download, entry, is_out, login, query, upload};

/// What ada has: the saved queries and the entries of the history, by id, with version and text.
async fn everything(behind: &Behind) -> Value {
    let page = behind.send(download()).await.expect(200);
    let of = |name: &str| -> Vec<Value> {
        let all = page[name].as_array().expect("a list");
        all.iter().map(|item| json!([item["id"], item["sync_version"], item["query"]])).collect()
    };
    json!({ "queries": of("saved_queries"), "history": of("query_history") })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_answer_is_lost_is_recognised() {
    let behind = Behind::start().await;
    behind.send(upload(&[query("q", 1)])).await.expect(200);
    // An upload asks twice, to load and to apply: whichever answer is lost, or both, and however much of it came.
    for (round, bytes) in [0, 1, 100, 250].into_iter().enumerate() {
        for (which, lost) in [0..1, 1..2, 0..2].into_iter().enumerate() {
            let version = i64::try_from(round * 3 + which).expect("few") + 2;
            behind.data.strike(Fault::Cut(bytes), lost);
            let answer = behind.send(upload(&[query("q", version), entry(&format!("h{version}"))])).await.expect(200);
            assert_eq!(answer["applied"][0]["sync_version"], version, "{answer}");
            assert_eq!(answer["conflicts"], json!([]), "{answer}");
        }
    }
    behind.data.set(Fault::None);
    let all = everything(&behind).await;
    assert_eq!(all["queries"], json!([["q", 13, "select 13"]]));
    assert_eq!(all["history"].as_array().map(Vec::len), Some(12));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_may_have_happened_and_is_answered_alike_when_it_is_repeated() {
    let behind = Behind::start().await;
    let first = upload(&[query("q", 1)]);
    let history = upload(&[entry("a"), entry("b")]);
    behind.data.set(Fault::Cut(0));
    for call in [&first, &history] {
        is_out(&behind.send(call.clone()).await);
    }
    behind.data.set(Fault::None);
    for _ in 0..2 {
        assert_eq!(behind.send(first.clone()).await.expect(200)["applied"][0]["sync_version"], 1);
        assert_eq!(behind.send(history.clone()).await.expect(200)["applied"].as_array().map(Vec::len), Some(2));
    }
    let all = everything(&behind).await;
    assert_eq!(all["queries"], json!([["q", 1, "select 1"]]));
    assert_eq!(all["history"].as_array().map(Vec::len), Some(2));
    let status = behind.send(Call::get("/api/sync/status")).await.expect(200);
    assert_eq!(status["devices"][0]["total_synced"], 3, "nothing is counted twice: {status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settled_conflict_stays_settled_once() {
    let behind = Behind::start().await;
    behind.send(upload(&[query("q", 1)])).await.expect(200);
    behind.send(upload(&[query("q", 2)])).await.expect(200);
    let phone = json!({ "device_id": "phone", "conflict_strategy": "user_choice", "changes": [query("q", 2)] });
    let met = behind.send(Call::post("/api/sync/upload", &phone)).await.expect(200);
    // The same data is no conflict: it has to be another edit.
    assert_eq!(met["conflicts"], json!([]));
    let id = conflict_of_the_phone(&behind, "q").await;
    let settle = Call::post(
        format!("/api/sync/conflicts/{id}/resolve"),
        &json!({ "strategy": "user_choice", "chosen_version": "local" }),
    );
    behind.data.set(Fault::Cut(0));
    is_out(&behind.send(settle.clone()).await);
    // To load and to commit; the repeats load alone.
    let mut settled = Value::Null;
    for lost in 0..2 {
        behind.data.strike(Fault::Cut(0), lost..lost + 1);
        let item = behind.send(settle.clone()).await.expect(200)["item"].clone();
        assert!(settled.is_null() || settled == item, "{item}");
        settled = item;
    }
    assert_eq!(everything(&behind).await["queries"], json!([["q", 3, "select 'phone'"]]));
}

/// The commit that renews an outdated conflict is done twice, for its answer is lost: the second time must not take the
/// renewed conflict for the one that the user has seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_whose_answer_is_lost_resolves_nothing() {
    let behind = Behind::start().await;
    behind.send(upload(&[query("q", 1)])).await.expect(200);
    behind.send(upload(&[query("q", 2)])).await.expect(200);
    let id = conflict_of_the_phone(&behind, "q").await;
    behind.send(upload(&[query("q", 3)])).await.expect(200);
    let resolve = Call::post(
        format!("/api/sync/conflicts/{id}/resolve"),
        &json!({ "strategy": "user_choice", "chosen_version": "local" }),
    );
    behind.data.strike(Fault::Cut(0), 1..2);
    let shown = behind.send(resolve.clone()).await.refused(409, "CONFLICT")["conflict"].clone();
    assert_eq!(shown["remote_version"]["data"]["query"], "select 3", "{shown}");
    assert_eq!(everything(&behind).await["queries"], json!([["q", 3, "select 3"]]));
    // Now the user has seen it.
    behind.send(resolve).await.expect(200);
    assert_eq!(everything(&behind).await["queries"], json!([["q", 4, "select 'phone'"]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_whose_answer_is_lost_leaves_a_pair_that_works() {
    let behind = Behind::start().await;
    let login = behind.send(login()).await.expect(200);
    let mut token = login["refresh_token"].clone();
    let refresh = |token: &Value| Call::post("/api/auth/refresh", &json!({ "refresh_token": token }));
    // The token bucket, whose token it is, whose the next will be, and the rotation itself.
    for lost in 0..4 {
        behind.sessions.strike(Fault::Cut(0), lost..lost + 1);
        token = behind.service.api.send(refresh(&token)).await.expect(200)["refresh_token"].clone();
        behind.service.clock.advance(60);
        // Nobody answers at all, and the client that got no pair presents the old token again.
        behind.sessions.strike(Fault::Cut(0), lost..usize::MAX);
        is_out(&behind.service.api.send(refresh(&token)).await);
        behind.sessions.set(Fault::None);
        token = behind.service.api.send(refresh(&token)).await.expect(200)["refresh_token"].clone();
        behind.service.clock.advance(60);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_ended_once_and_told_so_whichever_answer_is_lost() {
    let behind = Behind::start().await;
    // The token bucket, the session of whoever asks, and the end of the other.
    for lost in 0..3 {
        let other = behind.send(login()).await.expect(200);
        let token = other["token"].as_str().expect("a token");
        let sessions = behind.send(Call::get("/api/auth/sessions")).await.expect(200);
        let id = sessions["sessions"][0]["id"].as_str().expect("the newest session").to_owned();
        let end = Call::new(axum::http::Method::DELETE, format!("/api/auth/sessions/{id}"));
        behind.sessions.strike(Fault::Cut(0), lost..lost + 1);
        behind.send(end).await.expect(200);
        behind.sessions.set(Fault::None);
        behind.service.api.send(download().bearer(token)).await.refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_up_whose_answer_is_lost_left_an_account_or_none() {
    let behind = Behind::start().await;
    for lost in 1..=3 {
        let name = format!("bob{lost}");
        let account = json!({ "username": name, "email": format!("{name}@example.com"), "password": "Sesame42" });
        behind.accounts.strike(Fault::Cut(0), 0..lost);
        let first = behind.send(Call::post("/api/auth/signup", &account)).await;
        behind.accounts.set(Fault::None);
        assert!([201, 503].contains(&first.status), "{}", String::from_utf8_lossy(&first.body));
        let again = behind.send(Call::post("/api/auth/signup", &account)).await;
        assert!([201, 409].contains(&again.status), "{}", String::from_utf8_lossy(&again.body));
        let login = json!({ "username": name, "password": "Sesame42" });
        behind.send(Call::post("/api/auth/login", &login)).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_token_is_told_so_whichever_answer_is_lost() {
    let behind = Behind::start().await;
    for passed in 0..5 {
        let session = behind.send(login()).await.expect(200);
        let refresh = Call::post("/api/auth/refresh", &json!({ "refresh_token": session["refresh_token"] }));
        behind.send(refresh.clone()).await.expect(200);
        behind.service.clock.advance(60);
        behind.sessions.strike(Fault::Cut(0), passed..passed + 1);
        behind.send(refresh).await.refused(401, "REFRESH_TOKEN_REUSED");
        behind.sessions.set(Fault::None);
    }
}
