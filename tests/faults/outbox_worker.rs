//! Delivery of emails while the provider is unavailable, and after an outbox worker died.

use std::sync::Arc;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::json;
use shared::clock::SystemRandom;
use shared::mail::{Delivery, OutboxWorker};
use shared::storage::EmailKind;
use tests::{Request, Service, eventually};
use wiremock::ResponseTemplate;

use crate::email_provider::{Provider, accepted, brand, error, key, link_token};

/// Time limit of a delivery, far above the duration of any test.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// Upper bound of the hours until an email is given up.
const MAX_HOURS: usize = 40;

/// Creates a worker that delivers the emails of `service` by `provider`.
fn outbox_worker(service: &Service, provider: &Provider) -> OutboxWorker {
    let (accounts, mailer) = (service.app.stores.accounts(), Arc::new(provider.mailer()));
    OutboxWorker::new(accounts, mailer, brand(), Arc::new(SystemRandom), service.clock.clone())
}

async fn deliver(outbox_worker: &OutboxWorker) -> Delivery {
    outbox_worker.deliver(usize::MAX, TIME_LIMIT).await.expect("the store responds")
}

/// Delivers every minute for an hour, and returns the totals.
async fn deliver_for_an_hour(service: &Service, outbox_worker: &OutboxWorker) -> Delivery {
    let mut total = Delivery::default();
    for _ in 0..60 {
        let Delivery { sent, postponed, given_up, dropped } = deliver(outbox_worker).await;
        total.sent += sent;
        total.postponed += postponed;
        total.given_up += given_up;
        total.dropped += dropped;
        service.clock.advance(60);
    }
    total
}

#[tokio::test]
async fn email_is_sent_once_after_provider_outage() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let failing = Provider::responding(vec![error(401, "missing_api_key")]).await;
    let during = deliver_for_an_hour(&service, &outbox_worker(&service, &failing)).await;
    assert_eq!((during.sent, during.given_up, during.postponed), (0, 0, 6), "after 0, 1, 3, 7, 15 and 31 minutes");
    let keys: std::collections::BTreeSet<_> = failing.requests().await.iter().map(key).collect();
    assert_eq!(keys.len(), 6, "each attempt has a new link, and so a new idempotency key");

    let recovered = Provider::responding(vec![accepted()]).await;
    let after = deliver_for_an_hour(&service, &outbox_worker(&service, &recovered)).await;
    assert_eq!(after, Delivery { sent: 1, ..Delivery::default() });
    let requests = recovered.requests().await;
    assert_eq!(requests.len(), 1);
    let link = json!({ "token": link_token(&requests[0]) });
    service.api.send(Request::post("/api/auth/verify-email", &link)).await.expect(200);
    for old in failing.requests().await {
        let link = json!({ "token": link_token(&old) });
        service.api.send(Request::post("/api/auth/verify-email", &link)).await.expect_error(410, "TOKEN_SPENT");
    }
}

#[tokio::test]
async fn provider_outage_stops_delivery_after_one_attempt() {
    let service = Service::start().await;
    for name in ["ada", "bob", "cleo"] {
        service.api.sign_up(name).await;
    }
    let failing = Provider::responding(vec![error(403, "invalid_api_key")]).await;
    assert_eq!(deliver(&outbox_worker(&service, &failing)).await, Delivery { postponed: 1, ..Delivery::default() });
    let recovered = Provider::responding(vec![accepted()]).await;
    service.clock.advance(60);
    assert_eq!(deliver(&outbox_worker(&service, &recovered)).await.sent, 3);
}

#[tokio::test]
async fn retried_email_without_link_keeps_key_and_body() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let link = json!({ "token": service.newest_token(EmailKind::VerifyEmail, "ada@example.com").await });
    service.api.send(Request::post("/api/auth/verify-email", &link)).await.expect(200);
    let provider = Provider::responding(vec![error(401, "missing_api_key"), accepted()]).await;
    let outbox_worker = outbox_worker(&service, &provider);
    assert_eq!(deliver(&outbox_worker).await.postponed, 1);
    service.clock.advance(60);
    assert_eq!(deliver(&outbox_worker).await.sent, 1);
    let requests = provider.requests().await;
    assert_eq!((key(&requests[0]), &requests[0].body), (key(&requests[1]), &requests[1].body));
}

/// Aborts a worker while its email is the `nth` request to `provider`.
async fn abort_during_delivery(outbox_worker: &OutboxWorker, provider: &Provider, nth: usize) {
    let outbox_worker = outbox_worker.clone();
    let delivery = tokio::spawn(async move { deliver(&outbox_worker).await });
    eventually("the email", async || (provider.requests().await.len() >= nth).then_some(())).await;
    delivery.abort();
}

#[tokio::test]
async fn email_of_dead_worker_is_resent_by_another() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let silent = Provider::responding(vec![ResponseTemplate::new(200).set_delay(TIME_LIMIT)]).await;
    abort_during_delivery(&outbox_worker(&service, &silent), &silent, 1).await;
    let provider = Provider::responding(vec![accepted()]).await;
    let other = outbox_worker(&service, &provider);
    service.clock.advance(59);
    assert_eq!(deliver(&other).await, Delivery::default(), "the first email may still arrive");
    service.clock.advance(1);
    assert_eq!(deliver(&other).await.sent, 1);
}

#[tokio::test]
async fn email_is_given_up_after_ten_worker_deaths() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let silent = Provider::responding(vec![ResponseTemplate::new(200).set_delay(TIME_LIMIT)]).await;
    let dying = outbox_worker(&service, &silent);
    for attempt in 1..=10 {
        abort_during_delivery(&dying, &silent, attempt).await;
        service.clock.advance(60);
    }
    assert_eq!(deliver(&dying).await, Delivery { given_up: 1, ..Delivery::default() });
    assert_eq!(silent.requests().await.len(), 10);
}

#[tokio::test]
async fn concurrent_workers_send_each_email_once() {
    let service = Service::start().await;
    for index in 0..12 {
        service.api.sign_up(&format!("user{index}")).await;
    }
    let provider = Provider::responding(vec![accepted()]).await;
    let workers: Vec<_> = (0..4).map(|_| outbox_worker(&service, &provider)).collect();
    let deliveries = futures_util::future::join_all(workers.iter().map(deliver)).await;
    assert_eq!(deliveries.iter().map(|delivery| delivery.sent).sum::<u64>(), 12);
    assert_eq!(provider.requests().await.len(), 12);
}

/// Returns the value of the counter `name` and resets it.
fn counter_value(snapshotter: &Snapshotter, name: &str) -> u64 {
    let metrics = snapshotter.snapshot().into_vec().into_iter();
    let values = metrics.filter(|(key, ..)| key.key().name() == name).map(|(.., value)| value);
    values.map(|value| if let DebugValue::Counter(count) = value { count } else { 0 }).sum()
}

#[tokio::test]
async fn undeliverable_emails_are_given_up_and_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let refusing = Provider::responding(vec![error(422, "validation_error")]).await;
    assert_eq!(deliver(&outbox_worker(&service, &refusing)).await, Delivery { given_up: 1, ..Delivery::default() });
    assert_eq!(counter_value(&snapshotter, "mails_given_up"), 1);

    service.api.sign_up("bob").await;
    let failing = Provider::responding(vec![error(401, "missing_api_key")]).await;
    let outbox_worker = outbox_worker(&service, &failing);
    let mut hours = 0;
    while hours < MAX_HOURS && deliver_for_an_hour(&service, &outbox_worker).await.given_up == 0 {
        hours += 1;
    }
    assert_eq!((hours, failing.requests().await.len()), (4, 10));
    assert_eq!(counter_value(&snapshotter, "mails_given_up"), 1);
}
