//! What becomes of mails while their provider is out, and of those whose courier dies on the way.

use std::sync::Arc;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use serde_json::json;
use shared::clock::SystemRandom;
use shared::mail::{Delivery, OutboxWorker};
use shared::storage::MailKind;
use tests::{Call, Service, eventually};
use wiremock::ResponseTemplate;

use crate::mail_provider::{Provider, brand, error, key, link_token, taken};

/// Well beyond what all mails of a test take.
const TIME: Duration = Duration::from_secs(60);
/// More attempts at one mail than there will ever be.
const ENOUGH: usize = 40;

/// Somebody who takes the mails of `service` to `provider`.
fn outbox_worker(service: &Service, provider: &Provider) -> OutboxWorker {
    let (accounts, mailer) = (service.app.stores.accounts(), Arc::new(provider.mailer()));
    let brand = brand();
    OutboxWorker::new(accounts, mailer, brand, Arc::new(SystemRandom), service.clock.clone())
}

async fn deliver(outbox_worker: &OutboxWorker) -> Delivery {
    outbox_worker.deliver(usize::MAX, TIME).await.expect("the store answers")
}

/// An hour in which a courier comes each minute.
async fn an_hour_goes_by(service: &Service, outbox_worker: &OutboxWorker) -> Delivery {
    let mut all = Delivery::default();
    for _ in 0..60 {
        let Delivery { sent, postponed, given_up, dropped } = deliver(outbox_worker).await;
        all.sent += sent;
        all.postponed += postponed;
        all.given_up += given_up;
        all.dropped += dropped;
        service.clock.advance(60);
    }
    all
}

#[tokio::test]
async fn a_mail_goes_out_once_after_an_hour_without_its_provider() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let out = Provider::answering(vec![error(401, "missing_api_key")]).await;
    let during = an_hour_goes_by(&service, &outbox_worker(&service, &out)).await;
    assert_eq!((during.sent, during.given_up, during.postponed), (0, 0, 6), "after 0, 1, 3, 7, 15 and 31 minutes");
    let keys: std::collections::BTreeSet<_> = out.asked().await.iter().map(key).collect();
    assert_eq!(keys.len(), 6, "each has another link, and is another mail");

    let back = Provider::answering(vec![taken()]).await;
    let after = an_hour_goes_by(&service, &outbox_worker(&service, &back)).await;
    assert_eq!(after, Delivery { sent: 1, ..Delivery::default() });
    let asked = back.asked().await;
    assert_eq!(asked.len(), 1);
    let link = json!({ "token": link_token(&asked[0]) });
    service.api.send(Call::post("/api/auth/verify-email", &link)).await.expect(200);
    for old in out.asked().await {
        let link = json!({ "token": link_token(&old) });
        service.api.send(Call::post("/api/auth/verify-email", &link)).await.refused(410, "TOKEN_SPENT");
    }
}

#[tokio::test]
async fn while_the_provider_is_out_one_mail_is_tried_and_the_others_wait() {
    let service = Service::start().await;
    for name in ["ada", "bob", "cleo"] {
        service.api.sign_up(name).await;
    }
    let out = Provider::answering(vec![error(403, "invalid_api_key")]).await;
    assert_eq!(deliver(&outbox_worker(&service, &out)).await, Delivery { postponed: 1, ..Delivery::default() });
    let back = Provider::answering(vec![taken()]).await;
    service.clock.advance(60);
    assert_eq!(deliver(&outbox_worker(&service, &back)).await.sent, 3);
}

#[tokio::test]
async fn a_mail_without_a_link_is_the_same_mail_each_time() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let link = json!({ "token": service.newest_token(MailKind::VerifyEmail, "ada@example.com").await });
    service.api.send(Call::post("/api/auth/verify-email", &link)).await.expect(200);
    let provider = Provider::answering(vec![error(401, "missing_api_key"), taken()]).await;
    let outbox_worker = outbox_worker(&service, &provider);
    assert_eq!(deliver(&outbox_worker).await.postponed, 1);
    service.clock.advance(60);
    assert_eq!(deliver(&outbox_worker).await.sent, 1);
    let asked = provider.asked().await;
    assert_eq!((key(&asked[0]), &asked[0].body), (key(&asked[1]), &asked[1].body));
}

/// Has a courier die while its mail is the `nth` on its way to `provider`.
async fn dies(outbox_worker: &OutboxWorker, provider: &Provider, nth: usize) {
    let outbox_worker = outbox_worker.clone();
    let delivery = tokio::spawn(async move { deliver(&outbox_worker).await });
    eventually("the mail", async || (provider.asked().await.len() >= nth).then_some(())).await;
    delivery.abort();
}

#[tokio::test]
async fn one_courier_stands_in_for_another_who_died() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let silent = Provider::answering(vec![ResponseTemplate::new(200).set_delay(TIME)]).await;
    dies(&outbox_worker(&service, &silent), &silent, 1).await;
    let provider = Provider::answering(vec![taken()]).await;
    let other = outbox_worker(&service, &provider);
    service.clock.advance(59);
    assert_eq!(deliver(&other).await, Delivery::default(), "it may still arrive");
    service.clock.advance(1);
    assert_eq!(deliver(&other).await.sent, 1);
}

#[tokio::test]
async fn a_mail_that_every_courier_dies_of_is_given_up() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let silent = Provider::answering(vec![ResponseTemplate::new(200).set_delay(TIME)]).await;
    let dying = outbox_worker(&service, &silent);
    for attempt in 1..=10 {
        dies(&dying, &silent, attempt).await;
        service.clock.advance(60);
    }
    assert_eq!(deliver(&dying).await, Delivery { given_up: 1, ..Delivery::default() });
    assert_eq!(silent.asked().await.len(), 10);
}

#[tokio::test]
async fn several_couriers_send_each_mail_once() {
    let service = Service::start().await;
    for place in 0..12 {
        service.api.sign_up(&format!("user{place}")).await;
    }
    let provider = Provider::answering(vec![taken()]).await;
    let couriers: Vec<_> = (0..4).map(|_| outbox_worker(&service, &provider)).collect();
    let deliveries = futures_util::future::join_all(couriers.iter().map(deliver)).await;
    assert_eq!(deliveries.iter().map(|delivery| delivery.sent).sum::<u64>(), 12);
    assert_eq!(provider.asked().await.len(), 12);
}

/// How often the counter `name` was raised.
fn counted(snapshotter: &Snapshotter, name: &str) -> u64 {
    let metrics = snapshotter.snapshot().into_vec().into_iter();
    let values = metrics.filter(|(key, ..)| key.key().name() == name).map(|(.., value)| value);
    values.map(|value| if let DebugValue::Counter(count) = value { count } else { 0 }).sum()
}

#[tokio::test]
async fn what_nobody_takes_is_given_up_and_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let refusing = Provider::answering(vec![error(422, "validation_error")]).await;
    assert_eq!(deliver(&outbox_worker(&service, &refusing)).await, Delivery { given_up: 1, ..Delivery::default() });
    assert_eq!(counted(&snapshotter, "mails_given_up"), 1);

    service.api.sign_up("bob").await;
    let out = Provider::answering(vec![error(401, "missing_api_key")]).await;
    let outbox_worker = outbox_worker(&service, &out);
    let mut hours = 0;
    while hours < ENOUGH && an_hour_goes_by(&service, &outbox_worker).await.given_up == 0 {
        hours += 1;
    }
    assert_eq!((hours, out.asked().await.len()), (4, 10));
    assert_eq!(counted(&snapshotter, "mails_given_up"), 1);
}
