//! Credentials that are replaced while the service runs: it asks Secrets Manager when one is refused, and goes on.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use shared::config::{Env, PostgresConfig, RedisConfig};
use shared::secrets_manager::SecretsManager;
use shared::storage::connect;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tests::{Backends, Call, Moto, PostgresServer, Proxy, RedisServer, Service, Sqld};
use tokio::time::sleep;

use crate::behind::{download, login, query, ready, upload};

/// How long the first token works: longer than what is read at first is taken for what is there.
const LIFETIME: Duration = Duration::from_secs(20);

/// A bit longer than what was read of the secret is taken for what is there.
const FRESH: Duration = Duration::from_millis(10_500);

/// How to reach `moto` by `proxy`.
fn config(proxy: &Proxy) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(format!("http://127.0.0.1:{}", proxy.port()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().build_http())
        .build()
}

/// Signs tokens for a libSQL server.
struct Signer(Ed25519KeyPair);

impl Signer {
    fn new() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("there is randomness");
        Self(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
    }

    fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    /// A token that works for `seconds`.
    fn token(&self, seconds: i64) -> String {
        let expires = SystemClock.now().micros() / 1_000_000 + seconds;
        let parts = [json!({ "alg": "EdDSA", "typ": "JWT" }), json!({ "a": "rw", "exp": expires })];
        let signed = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// Two roles of PostgreSQL that take turns, as rotation in Secrets Manager knows them.
struct Roles {
    admin: PgConnection,
    url: String,
    database: String,
}

impl Roles {
    async fn new() -> Self {
        let url = PostgresServer::shared().await.database().await;
        let env = Env::from_pairs([("DATABASE_URL", url.as_str())]);
        let config = PostgresConfig::required(&env).expect("the URL is right");
        let stores = connect::accounts(&config, 1).expect("the URL is right");
        stores.migrate().await.expect("the tables are made");
        let database = url.rsplit('/').next().and_then(|rest| rest.split('?').next()).expect("a name").to_owned();
        let mut roles = Self { admin: PgConnection::connect(&url).await.expect("it is there"), url, database };
        for role in ["a", "b"] {
            let role = roles.name(role);
            roles.run(format!("CREATE ROLE {role} LOGIN")).await;
            roles.run(format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")).await;
        }
        roles
    }

    fn name(&self, role: &str) -> String {
        format!("{}_{role}", self.database)
    }

    fn url(&self, role: &str) -> String {
        self.url.replace("postgres@", &format!("{}@", self.name(role)))
    }

    async fn lock_out(&mut self, role: &str) {
        let role = self.name(role);
        self.run(format!("ALTER ROLE {role} NOLOGIN")).await;
        self.run(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")).await;
    }

    async fn run(&mut self, sql: String) {
        sqlx::query(AssertSqlSafe(sql)).execute(&mut self.admin).await.expect("an admin may");
    }
}

async fn service(proxy: &Proxy, arn: &str) -> Service {
    let manager = Arc::new(SecretsManager::at(&config(proxy), arn).await.expect("the secret is there"));
    let env = Env::from_pairs([("RATE_LIMITS", "off")]).with_secrets(manager.values().await, manager);
    Service::from_env(Backends::elsewhere(), &env).await
}

async fn status(service: &Service, call: Call, token: &str) -> u16 {
    service.api.send(call.bearer(token)).await.status
}

fn token(session: &Value) -> &str {
    session["token"].as_str().expect("a token")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_replaced_without_a_restart() {
    let (moto, signer, redis, mut roles) =
        (Moto::start().await, Signer::new(), RedisServer::start().await, Roles::new().await);
    let sqld = Sqld::start_guarded_by(&signer.public()).await;
    redis.change_password("", "first").await;
    let secret = |role: &str, token: String, password: &str, keys: [&str; 2]| {
        json!({
            "DATABASE_URL": roles.url(role),
            "TURSO_DATABASE_URL": sqld.url(),
            "TURSO_AUTH_TOKEN": token,
            "REDIS_URL": redis.url().replace("//", &format!("//:{password}@")),
            "JWT_SECRET": keys[0].repeat(32),
            "JWT_SECRET_PREVIOUS": keys[1].repeat(32),
        })
    };
    let old = secret("a", signer.token(LIFETIME.as_secs() as i64), "first", ["b", "a"]);
    let expired = tokio::time::Instant::now() + LIFETIME + Duration::from_secs(1);
    let new = secret("b", signer.token(600), "second", ["c", "b"]);

    let arn = moto.create("studio", &old).await;
    let proxy = Proxy::to(moto.port()).await;
    let older = service(&proxy, &arn).await;
    let data = older.app.config.stores.turso.as_ref().expect("there is a URL");
    let data = connect::sync_data(data, &older.app.random).expect("the URL is right");
    data.migrate().await.expect("the tables are made");
    let session = older.api.sign_up("ada").await;
    assert_eq!(status(&older, upload(&[query("q", 1)]), token(&session)).await, 200);

    moto.put(&arn, &new).await;
    roles.lock_out("a").await;
    redis.change_password("first", "second").await;
    tokio::time::sleep_until(expired).await;
    proxy.trips();
    for call in [download(), upload(&[query("r", 1)]), login(), Call::get("/api/auth/profile"), ready()] {
        let what = call.path.clone();
        assert_eq!(status(&older, call, token(&session)).await, 200, "{what}");
    }
    let newer = service(&proxy, &arn).await;
    let session = newer.api.send(login()).await.expect(200);
    assert_eq!(status(&older, download(), token(&session)).await, 200, "signed with a key of which it had not heard");
    assert_eq!(proxy.trips(), 2, "each of the two read the secret once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_tokens_do_not_have_the_secret_read_each_time() {
    let (moto, redis) = (Moto::start().await, RedisServer::start().await);
    let secret = json!({ "REDIS_URL": redis.url(), "JWT_SECRET": "a".repeat(32) });
    let arn = moto.create("studio", &secret).await;
    let proxy = Proxy::to(moto.port()).await;
    let service = service(&proxy, &arn).await;
    let session = service.api.sign_up("ada").await;
    let (_, rest) = token(&session).split_once('.').expect("a token has parts");
    sleep(FRESH).await;
    proxy.trips();
    let started = tokio::time::Instant::now();
    for attempt in 0..50 {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "kid": attempt.to_string() }).to_string());
        assert_eq!(status(&service, download(), &format!("{header}.{rest}")).await, 401);
    }
    // Once for as long as what was read is fresh, however long this takes.
    let most = 1 + started.elapsed().as_secs() / 10;
    let trips = proxy.trips() as u64;
    assert!((1..=most).contains(&trips), "{trips} of {most}");
    assert_eq!(status(&service, download(), token(&session)).await, 200);
}

#[tokio::test]
async fn what_is_wrong_with_a_secret_is_told_and_not_what_is_in_it() {
    let moto = Moto::start().await;
    let proxy = Proxy::to(moto.port()).await;
    let missing = SecretsManager::at(&config(&proxy), "nowhere").await.err().expect("there is none").to_string();
    assert!(missing.contains("ResourceNotFound"), "{missing}");
    for value in [json!("sesame"), json!({ "JWT_SECRET": { "sesame": 1 } }), json!(["sesame"])] {
        let arn = moto.create(&shared::clock::random_uuid(&shared::clock::SystemRandom).to_string(), &value).await;
        let wrong =
            SecretsManager::at(&config(&proxy), &arn).await.err().expect("it is no object of texts").to_string();
        assert!(!wrong.contains("sesame"), "{wrong}");
    }
    let arn = moto.create("bad", &json!({ "REDIS_URL": "http://sesame" })).await;
    let manager = Arc::new(SecretsManager::at(&config(&proxy), &arn).await.expect("it is an object of texts"));
    let env = Env::from_pairs([]).with_secrets(manager.values().await, manager);
    let wrong = RedisConfig::required(&env).expect_err("it is no URL of Redis").to_string();
    assert!(wrong.contains("REDIS_URL") && !wrong.contains("sesame"), "{wrong}");
}
