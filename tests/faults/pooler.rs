//! Accounts behind a transaction pooler.

use serde_json::json;
use tests::{Backends, Call, PgBouncer, Service};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_accounts_share_two_connections() {
    let mut backends = Backends::servers().await;
    let pooler = PgBouncer::before(backends.url("DATABASE_URL")).await;
    *backends.url("DATABASE_URL") = pooler.url();
    let service = Service::on(backends, &[("RATE_LIMITS", "off")]).await;
    let mut people = JoinSet::new();
    for person in 0..12 {
        let api = service.api.clone();
        people.spawn(async move {
            let name = format!("person{person}");
            api.sign_up(&name).await;
            for _ in 0..3 {
                let login = json!({ "username": name, "password": "Sesame42" });
                let session = api.send(Call::post("/api/auth/login", &login)).await.expect(200);
                let token = session["token"].as_str().expect("a token").to_owned();
                let profile = api.send(Call::get("/api/auth/profile").bearer(&token)).await.expect(200);
                assert_eq!(profile["user"]["username"], name);
            }
            let taken = json!({ "username": name, "email": "other@example.com", "password": "Sesame42" });
            api.send(Call::post("/api/auth/signup", &taken)).await.refused(409, "CONFLICT");
        });
    }
    people.join_all().await;
}
