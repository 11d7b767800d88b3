//! Answers that are lost on the way: what was done once is not done twice, and is answered as it was.

use serde_json::{Value, json};
use tests::{Call, Fault};

use crate::behind::{Behind, download, entry, is_out, login, query, upload};

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
    // An upload asks twice: whichever answer is lost, and however much of it came.
    for (round, bytes) in [0, 1, 100, 250].into_iter().enumerate() {
        for lost in 1..=3 {
            let version = i64::try_from(round * 3 + lost).expect("few") + 1;
            behind.data.strike(Fault::Cut(bytes), 0..lost);
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
    let mut other = query("q", 2);
    other["id"] = json!("another");
    other["data"]["query"] = json!("select 'phone'");
    let phone = json!({ "device_id": "phone", "conflict_strategy": "user_choice", "changes": [other] });
    let met = behind.send(Call::post("/api/sync/upload", &phone)).await.expect(200);
    let id = met["conflicts"][0]["id"].as_str().expect("a conflict").to_owned();
    let settle = Call::post(
        format!("/api/sync/conflicts/{id}/resolve"),
        &json!({ "strategy": "user_choice", "chosen_version": "local" }),
    );
    behind.data.set(Fault::Cut(0));
    is_out(&behind.send(settle.clone()).await);
    behind.data.strike(Fault::Cut(0), 0..3);
    let settled = behind.send(settle.clone()).await.expect(200);
    assert_eq!(behind.send(settle).await.expect(200)["item"], settled["item"]);
    assert_eq!(everything(&behind).await["queries"], json!([["q", 3, "select 'phone'"]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_whose_answer_is_lost_leaves_a_pair_that_works() {
    let behind = Behind::start().await;
    let login = behind.send(login()).await.expect(200);
    let mut token = login["refresh_token"].clone();
    for lost in 1..=4 {
        behind.sessions.strike(Fault::Cut(0), 0..lost);
        let refresh = |token: &Value| Call::post("/api/auth/refresh", &json!({ "refresh_token": token }));
        // The client that got no pair presents the old token again, at once.
        let mut answer = behind.service.api.send(refresh(&token)).await;
        if answer.status == 503 {
            behind.sessions.set(Fault::None);
            answer = behind.service.api.send(refresh(&token)).await;
        }
        token = answer.expect(200)["refresh_token"].clone();
        behind.service.clock.advance(60);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_was_ended_stays_ended_whatever_was_answered() {
    let behind = Behind::start().await;
    let session = behind.send(login()).await.expect(200);
    let token = session["token"].as_str().expect("a token");
    let logout = Call::post("/api/auth/logout", &json!({})).bearer(token);
    // The door asks twice, for the token bucket and the session, and then the session is ended.
    behind.service.api.send(Call::get("/api/auth/profile").bearer(token)).await.expect(200);
    behind.service.api.send(logout).await.expect(200);
    for fault in [Fault::None, Fault::Cut(0), Fault::Down] {
        behind.sessions.set(fault);
        let answer = behind.service.api.send(download().bearer(token)).await;
        assert!([401, 503].contains(&answer.status), "{}", String::from_utf8_lossy(&answer.body));
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
