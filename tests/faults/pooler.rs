//! Account store behind a transaction pooler.

use serde_json::json;
use tests::{Backends, PgBouncer, Request, Service};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_users_share_two_pooled_connections() {
    let mut backends = Backends::start_servers().await;
    let pooler = PgBouncer::in_front_of(backends.url_mut("DATABASE_URL")).await;
    *backends.url_mut("DATABASE_URL") = pooler.url();
    let service = Service::on_backends(backends, &[("RATE_LIMITS", "off")]).await;
    let mut users = JoinSet::new();
    for index in 0..12 {
        let api = service.api.clone();
        users.spawn(async move {
            let name = format!("user{index}");
            api.sign_up(&name).await;
            for _ in 0..3 {
                let login = json!({ "username": name, "password": "Sesame42" });
                let session = api.send(Request::post("/api/auth/login", &login)).await.expect(200);
                let token = session["token"].as_str().expect("a token").to_owned();
                let profile = api.send(Request::get("/api/auth/profile").bearer(&token)).await.expect(200);
                assert_eq!(profile["user"]["username"], name);
            }
            let duplicate = json!({ "username": name, "email": "other@example.com", "password": "Sesame42" });
            api.send(Request::post("/api/auth/signup", &duplicate)).await.expect_error(409, "CONFLICT");
        });
    }
    users.join_all().await;
}
