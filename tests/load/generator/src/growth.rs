use tests::Service;

use crate::account::Account;
use crate::compare;

/// How many items the large account has, and how many users the large service.
const ITEMS: usize = 1_000_000;
const USERS: usize = 10_000;

/// The same for somebody with few items, and with many; alone, and among many. The floor is the small one.
pub(crate) async fn table() {
    let service = Service::start().await;
    let (mut small, mut large) = (Account::of(&service.api, "small").await, Account::of(&service.api, "large").await);
    small.grow(1_000).await;
    large.grow(ITEMS).await;
    both("with 1,000,000 items / with 1,000", &mut small, &mut large).await;

    let (alone, among) = (Service::start().await, Service::start().await);
    for user in 0..USERS {
        let mut other = Account::of(&among.api, &format!("user{user}")).await;
        other.grow(10).await;
    }
    let (mut first, mut last) = (Account::of(&alone.api, "ada").await, Account::of(&among.api, "ada").await);
    first.grow(1_000).await;
    last.grow(1_000).await;
    both("among 10,000 users / alone", &mut first, &mut last).await;
}

async fn both(what: &str, floor: &mut Account, ours: &mut Account) {
    let cursors = (floor.cursor().await, ours.cursor().await);
    for account in [&mut *floor, &mut *ours] {
        let call = account.upload(100);
        account.send(call).await;
    }
    let deltas = (floor.download(Some(&cursors.0), 1_000), ours.download(Some(&cursors.1), 1_000));
    let (small, large) = (async || floor.time(deltas.0.clone()).await, async || ours.time(deltas.1.clone()).await);
    compare(&format!("delta of 100 {what}"), 200, small, large).await;
    for (count, rounds) in [(1, 200), (100, 50)] {
        let upload = async |account: &mut Account| {
            let call = account.upload(count);
            account.time(call).await
        };
        let what = format!("upload of {count} {what}");
        compare(&what, rounds, async || upload(floor).await, async || upload(ours).await).await;
    }
}
