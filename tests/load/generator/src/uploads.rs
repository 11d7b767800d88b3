use tests::Service;

use crate::account::Account;
use crate::compare;
use crate::floor::BareTable;

/// Uploads of new items, beside the same rows by one bare insert.
pub(crate) async fn table() {
    let (service, folder) = (Service::start().await, tests::scratch());
    let mut account = Account::of(&service, "ada").await;
    let mut bare = BareTable::open(folder.path()).await;
    for (count, rounds) in [(1, 300), (100, 100), (1_000, 30)] {
        let what = format!("upload of {count} new items / bare insert");
        let ours = async || {
            let call = account.upload(count);
            account.time(call).await
        };
        compare(&what, rounds, async || bare.insert(count).await, ours).await;
    }
}
