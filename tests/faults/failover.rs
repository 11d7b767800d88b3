//! Another server takes over from Redis' primary, which goes on answering.

use tests::{Call, RedisServer};

use crate::behind::{Behind, download, is_out, login, ready};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_demoted_is_left() {
    let behind = Behind::start().await;
    behind.is_well().await;
    RedisServer::demote(behind.sessions.target()).await;
    for call in [ready(), download(), login(), Call::get("/api/auth/profile")] {
        is_out(&behind.send(call).await);
    }
    let successor = RedisServer::start().await;
    behind.sessions.lead_to(successor.port());
    behind.send(ready()).await.expect(200);
    // The successor of this test knows no session: it is the one that answers.
    behind.send(download()).await.refused(401, "UNAUTHORIZED");
    behind.send(login()).await.expect(200);
}
