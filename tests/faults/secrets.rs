//! Rotation of credentials while the service runs: it reads Secrets Manager again when a credential is rejected.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Builder;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock, SystemRandom};
use shared::config::{Env, PostgresConfig, RedisConfig};
use shared::secrets_manager::SecretsManager;
use shared::storage::connect;
use shared::storage::libsql::Directory;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tests::{Backends, Moto, PostgresServer, Proxy, RedisServer, Request, Service, Sqld};
use tokio::time::sleep;

use crate::proxied_service::{download, login_request, query, ready, upload};

/// Lifetime of the first token, longer than a secret is cached.
const LIFETIME: Duration = Duration::from_secs(20);

/// Slightly longer than a secret is cached.
const CACHE_EXPIRY: Duration = Duration::from_millis(10_500);

/// AWS configuration that reaches moto through `proxy`.
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

/// Signer of tokens for a libSQL server.
struct Signer(Ed25519KeyPair);

impl Signer {
    fn new() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&rand::SystemRandom::new()).expect("a key can be generated");
        Self(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key"))
    }

    fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    /// Signs a token that is valid for `seconds`.
    fn token(&self, seconds: i64) -> String {
        let expires = SystemClock.now().micros() / 1_000_000 + seconds;
        let parts = [json!({ "alg": "EdDSA", "typ": "JWT" }), json!({ "a": "rw", "exp": expires })];
        let signed = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// Two PostgreSQL roles for alternating rotation, as in AWS Secrets Manager.
struct Roles {
    admin: PgConnection,
    url: String,
    database: String,
}

impl Roles {
    async fn new() -> Self {
        let url = PostgresServer::shared().await.database().await;
        let env = Env::from_pairs([("DATABASE_URL", url.as_str())]);
        let config = PostgresConfig::required(&env).expect("the URL is valid");
        let stores = connect::accounts(&config, 1).expect("the URL is valid");
        stores.migrate().await.expect("the migrations apply");
        let database = url.rsplit('/').next().and_then(|rest| rest.split('?').next()).expect("a name").to_owned();
        let mut roles =
            Self { admin: PgConnection::connect(&url).await.expect("the server is reachable"), url, database };
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
        sqlx::query(AssertSqlSafe(sql)).execute(&mut self.admin).await.expect("an admin may run it");
    }
}

async fn service(proxy: &Proxy, arn: &str) -> Service {
    let manager = Arc::new(SecretsManager::open(&config(proxy), arn).await.expect("the secret exists"));
    let env = Env::from_pairs([("RATE_LIMITS", "off")]).with_secrets(manager.values().await, manager);
    Service::from_env(Backends::none(), &env).await
}

async fn status(service: &Service, request: Request, token: &str) -> u16 {
    service.api.send(request.bearer(token)).await.status
}

fn token(session: &Value) -> &str {
    session["token"].as_str().expect("a token")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotated_credentials_are_used_without_a_restart() {
    let (moto, signer, redis, mut roles) =
        (Moto::start().await, Signer::new(), RedisServer::start().await, Roles::new().await);
    let sqld = Sqld::start_with_jwt_key(&signer.public()).await;
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
    let proxy = Proxy::start(moto.port()).await;
    let old_instance = service(&proxy, &arn).await;
    let data = old_instance.app.config.stores.turso.as_ref().expect("there is a URL");
    let directory = Directory { placements: old_instance.app.stores.accounts(), sessions: None };
    let data = connect::sync_data(data, &old_instance.app.random, directory).expect("the URL is valid");
    data.migrate(&SystemRandom).await.expect("the migrations apply");
    let session = old_instance.api.sign_up("ada").await;
    assert_eq!(status(&old_instance, upload(&[query("q", 1)]), token(&session)).await, 200);

    moto.put(&arn, &new).await;
    roles.lock_out("a").await;
    redis.change_password("first", "second").await;
    tokio::time::sleep_until(expired).await;
    proxy.take_round_trips();
    for request in [download(), upload(&[query("r", 1)]), login_request(), Request::get("/api/auth/profile"), ready()] {
        let what = request.path.clone();
        assert_eq!(status(&old_instance, request, token(&session)).await, 200, "{what}");
    }
    let new_instance = service(&proxy, &arn).await;
    let session = new_instance.api.send(login_request()).await.expect(200);
    assert_eq!(
        status(&old_instance, download(), token(&session)).await,
        200,
        "the token is signed with a key that the instance had not read"
    );
    assert_eq!(proxy.take_round_trips(), 2, "each of the two instances reads the secret once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_tokens_do_not_each_trigger_a_secret_read() {
    let (moto, redis) = (Moto::start().await, RedisServer::start().await);
    let secret = json!({ "REDIS_URL": redis.url(), "JWT_SECRET": "a".repeat(32) });
    let arn = moto.create("studio", &secret).await;
    let proxy = Proxy::start(moto.port()).await;
    let service = service(&proxy, &arn).await;
    let session = service.api.sign_up("ada").await;
    let (_, rest) = token(&session).split_once('.').expect("a token has parts");
    sleep(CACHE_EXPIRY).await;
    proxy.take_round_trips();
    let started = tokio::time::Instant::now();
    for attempt in 0..50 {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "kid": attempt.to_string() }).to_string());
        assert_eq!(status(&service, download(), &format!("{header}.{rest}")).await, 401);
    }
    // At most one read per cache period.
    let max_reads = 1 + started.elapsed().as_secs() / 10;
    let reads = proxy.take_round_trips() as u64;
    assert!((1..=max_reads).contains(&reads), "{reads} of {max_reads}");
    assert_eq!(status(&service, download(), token(&session)).await, 200);
}

#[tokio::test]
async fn secret_errors_do_not_contain_secret_values() {
    let moto = Moto::start().await;
    let proxy = Proxy::start(moto.port()).await;
    let missing = SecretsManager::open(&config(&proxy), "nowhere").await;
    let missing = missing.err().expect("the secret does not exist").to_string();
    assert!(missing.contains("ResourceNotFound"), "{missing}");
    for value in [json!("sesame"), json!({ "JWT_SECRET": { "sesame": 1 } }), json!(["sesame"])] {
        let arn = moto.create(&shared::clock::random_uuid(&shared::clock::SystemRandom).to_string(), &value).await;
        let wrong =
            SecretsManager::open(&config(&proxy), &arn).await.err().expect("the secret is not an object of texts");
        let wrong = wrong.to_string();
        assert!(!wrong.contains("sesame"), "{wrong}");
    }
    let arn = moto.create("bad", &json!({ "REDIS_URL": "http://sesame" })).await;
    let manager = SecretsManager::open(&config(&proxy), &arn).await.expect("the secret is an object of texts");
    let manager = Arc::new(manager);
    let env = Env::from_pairs([]).with_secrets(manager.values().await, manager);
    let wrong = RedisConfig::required(&env).expect_err("the value is not a Redis URL").to_string();
    assert!(wrong.contains("REDIS_URL") && !wrong.contains("sesame"), "{wrong}");
}
