use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use shared::storage::EmailKind;
use tests::{Device, Emulator, Gateway, Request, Service, connection, saved_query};
use tokio::sync::OnceCell;
use tokio::time::sleep;
use wiremock::matchers::{body_string_contains, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::cloud::{Cloud, example_event};

/// Time after which reuse of a rotated refresh token is treated as theft: the grace period of 10 s and a margin.
const REUSE_DELAY: Duration = Duration::from_millis(11_000);

/// Store URLs on which no server listens.
const UNREACHABLE_STORES: [(&str, &str); 4] = [
    ("DATABASE_URL", "postgres://studio:sesame-of-postgres@127.0.0.1:9/studio"),
    ("TURSO_DATABASE_URL", "http://127.0.0.1:9"),
    ("REDIS_URL", "redis://:sesame-of-redis@127.0.0.1:9"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
];

/// Telemetry that the functions emitted during a recording, and the secrets that it must not contain.
pub(crate) struct Captured {
    /// Logs of all functions, concatenated.
    pub(crate) log: String,
    /// All secrets in requests and in the configuration.
    pub(crate) secrets: Vec<String>,
    /// Requests to Sentry.
    pub(crate) reports: Vec<String>,
}

impl Captured {
    /// Returns the telemetry of the recording, which runs once per test process.
    pub(crate) async fn once() -> &'static Self {
        static CAPTURED: OnceCell<Captured> = OnceCell::const_new();
        CAPTURED.get_or_init(Self::capture).await
    }

    async fn capture() -> Self {
        let (resend, sentry) = (email_provider().await, MockServer::start().await);
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&sentry).await;
        let secret = [
            ("RESEND_API_KEY", "re_sesame_of_resend".to_owned()),
            ("RESEND_URL", resend.uri()),
            ("MAIL_FROM", "SQL Studio <studio@example.com>".to_owned()),
            ("BREACHED_PASSWORDS", "on".to_owned()),
            ("BREACHED_PASSWORDS_URL", "http://127.0.0.1:1".to_owned()),
            ("SENTRY_DSN", sentry.uri().replace("://", "://sesameofsentry@") + "/42"),
        ];
        let cloud = Cloud::with(&secret, async |gateway: Gateway, variables: &[(&str, &str)]| {
            let rate_limited = [variables, &[("RATE_LIMITS", "on")]].concat();
            let unreachable = [variables, &UNREACHABLE_STORES].concat();
            gateway
                .with("auth", Emulator::start_traced("auth", variables).await)
                .with("conflicts", Emulator::start("conflicts", &rate_limited).await)
                .with("health", Emulator::start("health", &unreachable).await)
        })
        .await;
        let configured = ["re_sesame_of_resend", "sesameofsentry", "sesame-of-postgres", "sesame-of-redis"];
        let secrets = configured.map(str::to_owned).into_iter().chain(cloud.secrets()).collect();
        let mut recording = Recording { cloud, secrets };
        recording.accounts(&resend).await;
        recording.sync().await;
        recording.failures().await;
        let log = recording.schedules().await;
        let reports = sentry.received_requests().await.expect("requests are recorded");
        let reports = reports.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
        Self { log, secrets: recording.secrets, reports }
    }
}

/// Starts an email provider that rejects the emails of Bob permanently and those of Eve temporarily, and accepts all
/// others.
async fn email_provider() -> MockServer {
    let server = MockServer::start().await;
    let accepted = ResponseTemplate::new(200).set_body_json(json!({ "id": "49a3999c" }));
    for (to, response) in [
        ("bob-of-the-log@", ResponseTemplate::new(422).set_body_json(json!({ "name": "validation_error" }))),
        ("eve-of-the-log@", ResponseTemplate::new(500)),
        ("", accepted),
    ] {
        Mock::given(method("POST")).and(body_string_contains(to)).respond_with(response).mount(&server).await;
    }
    server
}

/// Recording of one operation of every kind, with the secrets that it used.
struct Recording {
    cloud: Cloud,
    secrets: Vec<String>,
}

impl Recording {
    /// Sends `call` and records the texts in `secret` and the returned credentials as secrets.
    async fn call(&mut self, call: Request, secret: &[&str], status: u16) -> Value {
        self.secrets.extend(secret.iter().map(|text| (*text).to_owned()));
        let response = self.cloud.api.send(call).await.expect(status);
        for field in ["token", "refresh_token", "device_token"] {
            self.secrets.extend(response[field].as_str().map(str::to_owned));
        }
        self.secrets.extend(response["user"]["id"].as_str().map(str::to_owned));
        response
    }

    async fn sign_up(&mut self, name: &str) -> Value {
        let (address, password) = (format!("{name}@example.com"), format!("Sesame42 of {}", &name[..3]));
        let body = json!({ "username": name, "email": address, "password": password });
        self.call(Request::post("/api/auth/signup", &body), &[&address, &password], 201).await
    }

    /// Emails that are sent, rejected, postponed and dropped; wrong passwords; reused and invalid tokens.
    async fn accounts(&mut self, resend: &MockServer) {
        let ada = self.sign_up("ada-of-the-log").await;
        self.sign_up("bob-of-the-log").await;
        self.sign_up("eve-of-the-log").await;
        let wrong_login = json!({ "username": "ada-of-the-log", "password": "Wrong-sesame42" });
        self.call(Request::post("/api/auth/login", &wrong_login), &["Wrong-sesame42"], 401).await;

        let refresh = Request::post("/api/auth/refresh", &json!({ "refresh_token": ada["refresh_token"] }));
        let rotated = Instant::now();
        self.call(refresh.clone(), &[], 200).await;
        for name in ["nobody-of-the-log", "ada-of-the-log"] {
            let address = format!("{name}@example.com");
            let request_reset = Request::post("/api/auth/request-password-reset", &json!({ "email": address }));
            self.call(request_reset, &[&address], 200).await;
        }
        let token = link_token(resend).await;
        self.secrets.extend(token.clone());
        sleep(REUSE_DELAY.saturating_sub(rotated.elapsed())).await;
        self.call(refresh, &[], 401).await;

        let reset = json!({ "token": token, "new_password": "Another-sesame42" });
        self.call(Request::post("/api/auth/reset-password", &reset), &["Another-sesame42"], 200).await;
        let old = ada["token"].as_str().expect("a token");
        self.call(Request::get("/api/auth/profile").bearer(old), &[], 401).await;
    }

    /// Conflicting uploads of two devices, an upload with a credential, and an exceeded rate limit.
    async fn sync(&mut self) {
        let login = json!({ "username": "ada-of-the-log", "password": "Another-sesame42" });
        let session = self.call(Request::post("/api/auth/login", &login), &[], 200).await;
        let token = session["token"].as_str().expect("a token");
        let [mut laptop, mut phone] =
            ["laptop", "ada-of-the-log@phone"].map(|name| Device::new(&self.cloud.api, token, name));
        self.secrets.push("ada-of-the-log@phone".to_owned());
        laptop.write("connection", "shop", connection("The shop of the log"), SystemClock.now());
        for (text, device) in [("select 'one'", &mut laptop), ("select 'two'", &mut phone)] {
            device.write("saved_query", "orders", saved_query("Orders of the log", text), SystemClock.now());
            device.upload().await;
            self.secrets.push(text.to_owned());
        }
        self.secrets.extend(["The shop of the log", "Orders of the log", "db.example.com"].map(str::to_owned));
        phone.download().await;
        let credential = "ALTER USER shop IDENTIFIED BY 'Sesame-of-the-shop42'";
        phone.write("saved_query", "users", saved_query("Users", credential), SystemClock.now());
        let response = phone.upload_losing_response().await;
        assert_eq!(response["rejected"][0]["code"], "CREDENTIALS_PRESENT", "{response}");
        self.secrets.push("Sesame-of-the-shop42".to_owned());
        let list = Request::get("/api/sync/conflicts").bearer(token);
        let mut calls = 1;
        while self.cloud.api.send(list.clone()).await.status != 429 {
            calls += 1;
            assert!(calls < 100, "no rate limit is applied");
        }
    }

    /// Requests while the stores are unreachable, and a request to an unknown path.
    async fn failures(&mut self) {
        for _ in 0..2 {
            self.call(Request::get("/ready"), &[], 503).await;
        }
        self.call(Request::get("/nowhere"), &[], 404).await;
    }

    /// Runs the scheduled functions on purgeable data; returns the logs of all functions.
    async fn schedules(&mut self) -> String {
        self.create_purgeable_data().await;
        let mut log = self.cloud.gateway.log();
        for name in ["mail", "purge", "migrate"] {
            let function = self.cloud.scheduled(name).await;
            let response = function.invoke(&example_event("schedule")).await;
            assert!(response["errorMessage"].is_null(), "{name}: {response}");
            log += &function.log();
        }
        log
    }

    /// Creates a row of each kind that the purge removes.
    async fn create_purgeable_data(&mut self) {
        let service = Service::on_backends(self.cloud.backends.share(), &[("RATE_LIMITS", "off")]).await;
        let (old, gone) = (service.api.sign_up("old-of-the-log").await, service.api.sign_up("gone-of-the-log").await);
        service.newest_token(EmailKind::VerifyEmail, "old-of-the-log@example.com").await;
        let token = old["token"].as_str().expect("a token");
        let [mut laptop, mut phone] = ["old-laptop", "old-phone"].map(|name| Device::new(&service.api, token, name));
        for device in [&mut laptop, &mut phone] {
            let text = format!("select '{}'", service.clock.now());
            device.write("saved_query", "old", saved_query("Old", &text), service.clock.now());
            device.upload().await;
            service.clock.advance(1);
        }
        laptop.sync().await;
        laptop.delete("saved_query", "old", service.clock.now());
        laptop.upload().await;
        let user = gone["user"]["id"].as_str().expect("an id").parse().expect("an id");
        service.begin_deletion(user).await;
    }
}

/// Returns the token of the newest password reset link.
async fn link_token(resend: &MockServer) -> Option<String> {
    tests::eventually("the email with the link", async || {
        let mails = resend.received_requests().await.expect("requests are recorded");
        let is_in_token = |c: &char| c.is_ascii_alphanumeric() || ['-', '_'].contains(c);
        let text = |mail: &wiremock::Request| String::from_utf8_lossy(&mail.body).into_owned();
        let link = mails.iter().rev().map(text).find_map(|mail| {
            let (_, rest) = mail.split_once("/reset-password#token=")?;
            Some(rest.chars().take_while(is_in_token).collect::<String>())
        });
        link.map(Some)
    })
    .await
}
