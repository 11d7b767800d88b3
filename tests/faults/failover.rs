//! Failover of Redis, while the former primary keeps responding.

use tests::{RedisServer, Request};

use crate::proxied_service::{ProxiedService, download, expect_unavailable, login_request, ready};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demoted_redis_primary_is_abandoned() {
    let proxied = ProxiedService::start().await;
    proxied.assert_healthy().await;
    RedisServer::demote(proxied.sessions.target()).await;
    for request in [ready(), download(), login_request(), Request::get("/api/auth/profile")] {
        expect_unavailable(&proxied.send(request).await);
    }
    let new_primary = RedisServer::start().await;
    proxied.sessions.retarget(new_primary.port());
    proxied.send(ready()).await.expect(200);
    // The new primary has no sessions, so the rejection shows that it responded.
    proxied.send(download()).await.expect_error(401, "UNAUTHORIZED");
    proxied.send(login_request()).await.expect(200);
}
