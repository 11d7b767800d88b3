//! What belongs together and lies in two stores: passwords and the sessions that they open.

use serde_json::{Value, json};
use shared::storage::MailKind;
use tests::{Call, Fault};

use crate::behind::{Behind, Store, download, is_out, login};

fn log_in(password: &str) -> Call {
    Call::post("/api/auth/login", &json!({ "username": "ada", "password": password }))
}

/// The session of somebody else who knows ada's password.
async fn thief(behind: &Behind) -> Value {
    behind.service.api.send(login()).await.expect(200)
}

async fn is_in(behind: &Behind, session: &Value) -> bool {
    behind.service.clock.advance(60);
    let token = session["token"].as_str().expect("a token");
    behind.service.api.send(download().bearer(token)).await.status == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_stays_good_while_sessions_cannot_be_ended() {
    let behind = Behind::start().await;
    let request = Call::post("/api/auth/request-password-reset", &json!({ "email": "ada@example.com" }));
    behind.send(request).await.expect(200);
    let thief = thief(&behind).await;
    let token = behind.service.newest_token(MailKind::ResetPassword, "ada@example.com").await;
    let reset = Call::post("/api/auth/reset-password", &json!({ "token": token, "new_password": "Sesame43" }));
    behind.sessions.set(Fault::Down);
    is_out(&behind.send(reset.clone()).await);
    behind.sessions.set(Fault::None);
    assert!(is_in(&behind, &thief).await);
    behind.send(log_in("Sesame42")).await.expect(200);
    behind.send(reset).await.expect(200);
    assert!(!is_in(&behind, &thief).await);
    behind.send(log_in("Sesame43")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_no_session_outlives_a_changed_password() {
    let change = |from: &str, to: &str| {
        Call::post("/api/auth/change-password", &json!({ "current_password": from, "new_password": to }))
    };
    // Each answer of each of the two stores is lost in its turn.
    for store in [Store::Accounts, Store::Sessions] {
        for passed in 0..6 {
            let behind = Behind::start().await;
            let thief = thief(&behind).await;
            behind.proxy(store).strike(Fault::Cut(0), passed..usize::MAX);
            let changed = behind.send(change("Sesame42", "Sesame43")).await;
            behind.proxy(store).set(Fault::None);
            let is_new = behind.send(log_in("Sesame43")).await.status == 200;
            assert!(is_new || changed.status == 503, "{changed:?}");
            assert!(!(is_new && is_in(&behind, &thief).await), "{store:?}, answer {passed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_taken_for_a_thief_because_accounts_were_out() {
    let behind = Behind::start().await;
    let session = behind.send(login()).await.expect(200);
    let refresh = Call::post("/api/auth/refresh", &json!({ "refresh_token": session["refresh_token"] }));
    behind.accounts.set(Fault::Down);
    for _ in 0..2 {
        is_out(&behind.send(refresh.clone()).await);
    }
    behind.accounts.set(Fault::None);
    behind.send(refresh).await.expect(200);
}
