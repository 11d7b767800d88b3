use tests::{Backends, PASSWORD, Service};

use crate::account::Account;

/// Counts the round trips of one call to each store, with a proxy before each real server.
pub(crate) async fn table() {
    let mut backends = Backends::start_servers().await;
    let proxies = backends.insert_proxies().await;
    let service = Service::on_backends(backends, &[("RATE_LIMITS", "off")]).await;
    let mut account = Account::of(&service.api, "ada").await;
    let first = account.cursor().await;
    let call = account.upload(1_000);
    account.time(call).await;
    let last = account.cursor().await;
    let login = tests::login_request("ada", PASSWORD);
    // The first call on a connection also prepares the statements.
    account.time(login.clone()).await;
    let calls = [
        ("poll of nothing", account.download(Some(&last), 1_000)),
        ("delta of 100", account.download(Some(&first), 100)),
        ("page of 1,000 of a first download", account.download(None, 1_000)),
        ("upload of 1 new item", account.upload(1)),
        ("upload of 100 new items", account.upload(100)),
        ("upload of 1,000 new items", account.upload(1_000)),
        ("upload of 100 new entries of the history", account.upload_history(100)),
        ("login", login),
    ];
    for (name, call) in calls {
        for proxy in &proxies {
            proxy.take_round_trips();
        }
        account.time(call).await;
        let [accounts, data, sessions] = proxies.each_ref().map(tests::Proxy::take_round_trips);
        println!("{name:<48} {accounts:>11} {data:>11} {sessions:>7}");
    }
}
