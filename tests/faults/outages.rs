//! A store that does not answer.

use std::time::Duration;

use tests::{Call, Fault};
use tokio::time::sleep;

use crate::behind::{Behind, OUTAGES, Store, download, entry, is_out, login, query, ready, upload};

/// Which store, and what then is out and what goes on.
async fn goes_out(store: Store, out: &[Call], goes_on: &[Call]) {
    let behind = Behind::start().await;
    behind.is_well().await;
    for fault in OUTAGES {
        behind.proxy(store).set(fault);
        for call in out {
            is_out(&behind.send(call.clone()).await);
        }
        for call in goes_on {
            let answer = behind.send(call.clone()).await;
            assert_eq!(answer.status, 200, "{fault:?}: {}", String::from_utf8_lossy(&answer.body));
        }
        behind.proxy(store).set(Fault::None);
        behind.is_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_accounts_nobody_logs_in_and_devices_go_on() {
    let out = [login(), Call::get("/api/auth/profile"), ready()];
    goes_out(Store::Accounts, &out, &[upload(&[query("q", 1)]), download()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_data_nothing_is_synchronised_and_accounts_go_on() {
    let out = [upload(&[query("q", 2)]), upload(&[entry("h")]), download(), ready()];
    goes_out(Store::Data, &out, &[login(), Call::get("/api/auth/profile")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_sessions_nobody_is_let_in_on_a_token_alone() {
    let out = [upload(&[query("q", 2)]), download(), Call::get("/api/auth/profile"), login(), ready()];
    goes_out(Store::Sessions, &out, &[Call::get("/health"), Call::get("/api/sync/limits")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_wait_for_a_store_are_all_answered_in_time() {
    // The clock runs on with every call: to a bucket, calls that pass each other on the way would come from an hour ago.
    let behind = std::sync::Arc::new(Behind::with(&[("RATE_LIMITS", "off")]).await);
    for (store, call) in
        [(Store::Accounts, Call::get("/api/auth/profile")), (Store::Data, download()), (Store::Sessions, download())]
    {
        behind.proxy(store).set(Fault::BlackHole);
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..30 {
            let (behind, call) = (behind.clone(), call.clone());
            waiting.spawn(async move { is_out(&behind.send(call).await) });
        }
        waiting.join_all().await;
        behind.proxy(store).set(Fault::None);
        behind.is_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_stores_are_waited_for() {
    let behind = Behind::start().await;
    for proxy in behind.all() {
        proxy.set(Fault::Slow(Duration::from_millis(300)));
    }
    behind.is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_comes_back_meanwhile_is_not_missed() {
    let behind = Behind::start().await;
    behind.data.set(Fault::Down);
    let sent = behind.send(upload(&[query("q", 1)]));
    let back = async {
        sleep(Duration::from_millis(30)).await;
        behind.data.set(Fault::None);
    };
    let (answer, ()) = tokio::join!(sent, back);
    answer.expect(200);
}
