use tests::Service;

use crate::account::Account;
use crate::baseline::BareTable;
use crate::compare;

/// Measures uploads of new items; the baselines are a direct insert of the items, and of all rows that they create.
pub(crate) async fn table() {
    let (service, folder) = (Service::start().await, tests::scratch_dir());
    let mut account = Account::of(&service.api, "ada").await;
    let mut bare = BareTable::open(folder.path()).await;
    for (count, rounds) in [(1, 300), (100, 100), (1_000, 30)] {
        let mut service_time = async || {
            let call = account.upload(count);
            account.time(call).await
        };
        let name = format!("upload of {count} / insert of its items");
        compare(&name, rounds, async || bare.insert(count).await, &mut service_time).await;
        let name = format!("upload of {count} / insert of items and receipts");
        compare(&name, rounds, async || bare.insert_all(count).await, &mut service_time).await;
    }
}
