use std::time::Instant;

use tests::{Request, Service};

use crate::account::{Account, time_of};
use crate::baseline::empty_handler;
use crate::{compare, median, print_row};

/// Measures downloads; the baseline is a handler that returns the same bytes.
pub(crate) async fn table() {
    let service = Service::start().await;
    let mut account = Account::of(&service.api, "ada").await;
    account.grow(1_000).await;
    let cursor = account.cursor().await;
    let poll = account.download(Some(&cursor), 1_000);
    compare_with_empty_handler("poll of nothing", &account, &poll, 300).await;
    let call = account.upload(100);
    account.send(call).await;
    let delta = account.download(Some(&cursor), 1_000);
    compare_with_empty_handler("delta of 100 items", &account, &delta, 200).await;
    for items in [10_000, 100_000] {
        account.grow(items).await;
        full_download(&account, items).await;
    }
}

async fn compare_with_empty_handler(name: &str, account: &Account, call: &Request, rounds: usize) {
    let body = account.api.send(call.clone()).await.body;
    let name = format!("{name}, {} bytes / empty handler", body.len());
    let bare = empty_handler(body);
    compare(&name, rounds, async || time_of(&bare, call.clone()).await, async || account.time(call.clone()).await)
        .await;
}

/// Measures the first download of all items, page by page.
async fn full_download(account: &Account, items: usize) {
    let (mut baselines, mut times) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (mut since, mut pages, start) = (None::<String>, Vec::new(), Instant::now());
        loop {
            let response = account.api.send(account.download(since.as_deref(), 1_000)).await;
            let page = response.expect(200);
            pages.push(response.body);
            since = page["sync_timestamp"].as_str().map(str::to_owned);
            if page["has_more"] == false {
                break;
            }
        }
        times.push(start.elapsed());
        let handlers: Vec<_> = pages.into_iter().map(empty_handler).collect();
        let start = Instant::now();
        for handler in &handlers {
            handler.send(account.download(None, 1_000)).await.expect(200);
        }
        baselines.push(start.elapsed());
    }
    print_row(&format!("first download of {items} items / empty handler"), median(baselines), median(times));
}
