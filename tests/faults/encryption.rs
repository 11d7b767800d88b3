//! TLS, if the URL of a store requires it.

use tests::{Backends, Service};

use crate::proxied_service::{Store, expect_unavailable, login_request, ready};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unencrypted_servers_are_rejected_when_tls_is_required() {
    let servers = Backends::start_servers().await;
    for store in Store::ALL {
        let mut backends = servers.share();
        let url = backends.url_mut(store.setting());
        *url = match store {
            Store::Accounts => url.replace("sslmode=disable", "sslmode=verify-full"),
            Store::Data => url.replace("http://", "libsql://"),
            Store::Sessions => url.replace("redis://", "rediss://"),
        };
        let service = Service::on_backends(backends, &[]).await;
        expect_unavailable(&service.api.send(ready()).await);
        if !matches!(store, Store::Data) {
            expect_unavailable(&service.api.send(login_request()).await);
        }
    }
}
