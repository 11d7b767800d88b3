//! Where the URL asks for encryption nothing is said in clear.

use tests::{Backends, Service};

use crate::behind::{Store, is_out, login, ready};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_encrypt_is_not_talked_to() {
    let servers = Backends::servers().await;
    for store in Store::ALL {
        let mut backends = servers.lent();
        let url = backends.url(store.setting());
        *url = match store {
            Store::Accounts => url.replace("sslmode=disable", "sslmode=verify-full"),
            Store::Data => url.replace("http://", "libsql://"),
            Store::Sessions => url.replace("redis://", "rediss://"),
        };
        let service = Service::on(backends, &[]).await;
        is_out(&service.api.send(ready()).await);
        if !matches!(store, Store::Data) {
            is_out(&service.api.send(login()).await);
        }
    }
}
