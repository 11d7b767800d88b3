use tests::Service;

use crate::account::Account;
use crate::compare;
use crate::floor::BareTable;

/// Uploads of new items, beside the same items by one bare insert, and beside all rows that they leave.
pub(crate) async fn table() {
    let (service, folder) = (Service::start().await, tests::scratch_dir());
    let mut account = Account::of(&service.api, "ada").await;
    let mut bare = BareTable::open(folder.path()).await;
    for (count, rounds) in [(1, 300), (100, 100), (1_000, 30)] {
        let mut ours = async || {
            let call = account.upload(count);
            account.time(call).await
        };
        let what = format!("upload of {count} / insert of its items");
        compare(&what, rounds, async || bare.insert(count).await, &mut ours).await;
        let what = format!("upload of {count} / insert of items and receipts");
        compare(&what, rounds, async || bare.insert_all(count).await, &mut ours).await;
    }
}
