//! Where the URL asks for encryption nothing is said in clear.

use tests::{Backends, Service};

use crate::behind::{is_out, login, ready};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_encrypt_is_not_talked_to() {
    let servers = Backends::servers().await;
    for store in 0..3 {
        let mut backends = servers.lent();
        let url = &mut backends.settings[store].1;
        *url = match store {
            0 => url.replace("sslmode=disable", "sslmode=verify-full"),
            1 => url.replace("http://", "libsql://"),
            _ => url.replace("redis://", "rediss://"),
        };
        let service = Service::on(backends, &[]).await;
        is_out(&service.api.send(ready()).await);
        if store != 1 {
            is_out(&service.api.send(login()).await);
        }
    }
}
