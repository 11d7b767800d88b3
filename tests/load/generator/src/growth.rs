use tests::Service;

use crate::account::Account;
use crate::compare;

/// Number of items of the large account, and number of users of the large service.
const ITEMS: usize = 1_000_000;
const USERS: usize = 10_000;

/// Measures the effect of the number of items and of users; the baseline is the smaller one.
pub(crate) async fn table() {
    let service = Service::start().await;
    let (mut small, mut large) = (Account::of(&service.api, "small").await, Account::of(&service.api, "large").await);
    small.grow(1_000).await;
    large.grow(ITEMS).await;
    compare_accounts("with 1,000,000 items / with 1,000", &mut small, &mut large).await;

    let (alone, among) = (Service::start().await, Service::start().await);
    for user in 0..USERS {
        let mut other = Account::of(&among.api, &format!("user{user}")).await;
        other.grow(10).await;
    }
    let (mut first, mut last) = (Account::of(&alone.api, "ada").await, Account::of(&among.api, "ada").await);
    first.grow(1_000).await;
    last.grow(1_000).await;
    compare_accounts("among 10,000 users / alone", &mut first, &mut last).await;
}

async fn compare_accounts(name: &str, baseline: &mut Account, measured: &mut Account) {
    let cursors = (baseline.cursor().await, measured.cursor().await);
    for account in [&mut *baseline, &mut *measured] {
        let call = account.upload(100);
        account.send(call).await;
    }
    let deltas = (baseline.download(Some(&cursors.0), 1_000), measured.download(Some(&cursors.1), 1_000));
    let (small, large) =
        (async || baseline.time(deltas.0.clone()).await, async || measured.time(deltas.1.clone()).await);
    compare(&format!("delta of 100 {name}"), 200, small, large).await;
    for (count, rounds) in [(1, 200), (100, 50)] {
        let upload = async |account: &mut Account| {
            let call = account.upload(count);
            account.time(call).await
        };
        let name = format!("upload of {count} {name}");
        compare(&name, rounds, async || upload(baseline).await, async || upload(measured).await).await;
    }
}
