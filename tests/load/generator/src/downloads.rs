use std::time::Instant;

use tests::{Request, Service};

use crate::account::{Account, time_of};
use crate::floor::empty_handler;
use crate::{compare, line, median};

/// Downloads, beside the same bytes from a handler that does nothing.
pub(crate) async fn table() {
    let service = Service::start().await;
    let mut account = Account::of(&service.api, "ada").await;
    account.grow(1_000).await;
    let cursor = account.cursor().await;
    let poll = account.download(Some(&cursor), 1_000);
    against_bytes("poll of nothing", &account, &poll, 300).await;
    let call = account.upload(100);
    account.send(call).await;
    let delta = account.download(Some(&cursor), 1_000);
    against_bytes("delta of 100 items", &account, &delta, 200).await;
    for items in [10_000, 100_000] {
        account.grow(items).await;
        whole(&account, items).await;
    }
}

async fn against_bytes(what: &str, account: &Account, call: &Request, rounds: usize) {
    let body = account.api.send(call.clone()).await.body;
    let what = format!("{what}, {} bytes / empty handler", body.len());
    let bare = empty_handler(body);
    compare(&what, rounds, async || time_of(&bare, call.clone()).await, async || account.time(call.clone()).await)
        .await;
}

/// The first download of everything, page by page.
async fn whole(account: &Account, items: usize) {
    let (mut floors, mut all) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (mut since, mut pages, begun) = (None::<String>, Vec::new(), Instant::now());
        loop {
            let answer = account.api.send(account.download(since.as_deref(), 1_000)).await;
            let page = answer.expect(200);
            pages.push(answer.body);
            since = page["sync_timestamp"].as_str().map(str::to_owned);
            if page["has_more"] == false {
                break;
            }
        }
        all.push(begun.elapsed());
        let handlers: Vec<_> = pages.into_iter().map(empty_handler).collect();
        let begun = Instant::now();
        for handler in &handlers {
            handler.send(account.download(None, 1_000)).await.expect(200);
        }
        floors.push(begun.elapsed());
    }
    line(&format!("first download of {items} items / empty handler"), median(floors), median(all));
}
