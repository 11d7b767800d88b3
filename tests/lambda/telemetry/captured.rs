use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::clock::{Clock, SystemClock};
use shared::storage::MailKind;
use tests::{Call, Device, Emulator, Gateway, Service, connection, saved_query};
use tokio::sync::OnceCell;
use tokio::time::sleep;
use wiremock::matchers::{body_string_contains, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::cloud::{Cloud, kept};

/// After which a refresh token that was exchanged is taken for stolen: ten seconds, and some.
const GRACE: Duration = Duration::from_millis(11_000);

/// Where nobody listens.
const NOBODY: [(&str, &str); 4] = [
    ("DATABASE_URL", "postgres://studio:sesame-of-postgres@127.0.0.1:9/studio"),
    ("TURSO_DATABASE_URL", "http://127.0.0.1:9"),
    ("REDIS_URL", "redis://:sesame-of-redis@127.0.0.1:9"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
];

/// What all functions wrote while they were used, and what they must not have written.
pub(crate) struct Told {
    /// Their logs, one after the other.
    pub(crate) log: String,
    /// Everything secret that was sent to them, or that they were given.
    pub(crate) secrets: Vec<String>,
    /// What was sent to Sentry.
    pub(crate) reports: Vec<String>,
}

impl Told {
    /// What was told while something of everything happened; it happens once, whoever asks.
    pub(crate) async fn once() -> &'static Self {
        static TOLD: OnceCell<Told> = OnceCell::const_new();
        TOLD.get_or_init(Self::listen).await
    }

    async fn listen() -> Self {
        let (resend, sentry) = (provider().await, MockServer::start().await);
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&sentry).await;
        let secret = [
            ("RESEND_API_KEY", "re_sesame_of_resend".to_owned()),
            ("RESEND_URL", resend.uri()),
            ("MAIL_FROM", "SQL Studio <studio@example.com>".to_owned()),
            ("SENTRY_DSN", sentry.uri().replace("://", "://sesameofsentry@") + "/42"),
        ];
        let cloud = Cloud::with(&secret, async |gateway: Gateway, variables: &[(&str, &str)]| {
            let counting = [variables, &[("RATE_LIMITS", "on")]].concat();
            let cut_off = [variables, &NOBODY].concat();
            gateway
                .with("auth", Emulator::start_traced("auth", variables).await)
                .with("conflicts", Emulator::start("conflicts", &counting).await)
                .with("health", Emulator::start("health", &cut_off).await)
        })
        .await;
        let known = ["re_sesame_of_resend", "sesameofsentry", "sesame-of-postgres", "sesame-of-redis"];
        let secrets = known.map(str::to_owned).into_iter().chain(cloud.secrets()).collect();
        let mut story = Story { cloud, secrets };
        story.accounts(&resend).await;
        story.sync().await;
        story.troubles().await;
        let log = story.schedules().await;
        let reports = sentry.received_requests().await.expect("requests are recorded");
        let reports = reports.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
        Self { log, secrets: story.secrets, reports }
    }
}

/// Somebody who takes most mails, but neither Bob's nor, for now, Eve's.
async fn provider() -> MockServer {
    let server = MockServer::start().await;
    let taken = ResponseTemplate::new(200).set_body_json(json!({ "id": "49a3999c" }));
    for (to, answer) in [
        ("bob-of-the-log@", ResponseTemplate::new(422).set_body_json(json!({ "name": "validation_error" }))),
        ("eve-of-the-log@", ResponseTemplate::new(500)),
        ("", taken),
    ] {
        Mock::given(method("POST")).and(body_string_contains(to)).respond_with(answer).mount(&server).await;
    }
    server
}

/// A story in which everything happens, and what of it is nobody's business.
struct Story {
    cloud: Cloud,
    secrets: Vec<String>,
}

impl Story {
    /// Sends `call`, every part of which is secret that holds one of the texts in `secret`.
    async fn call(&mut self, call: Call, secret: &[&str], status: u16) -> Value {
        self.secrets.extend(secret.iter().map(|text| (*text).to_owned()));
        let answer = self.cloud.api.send(call).await.expect(status);
        for field in ["token", "refresh_token"] {
            self.secrets.extend(answer[field].as_str().map(str::to_owned));
        }
        self.secrets.extend(answer["user"]["id"].as_str().map(str::to_owned));
        answer
    }

    async fn sign_up(&mut self, name: &str) -> Value {
        let (address, password) = (format!("{name}@example.com"), format!("Sesame42-{name}"));
        let body = json!({ "username": name, "email": address, "password": password });
        self.call(Call::post("/api/auth/signup", &body), &[&address, &password], 201).await
    }

    /// Mails that are taken, refused, postponed and dropped; wrong passwords; tokens that are used when they should not be.
    async fn accounts(&mut self, resend: &MockServer) {
        let ada = self.sign_up("ada-of-the-log").await;
        self.sign_up("bob-of-the-log").await;
        self.sign_up("eve-of-the-log").await;
        let wrong = json!({ "username": "ada-of-the-log", "password": "Wrong-sesame42" });
        self.call(Call::post("/api/auth/login", &wrong), &["Wrong-sesame42"], 401).await;

        let refresh = Call::post("/api/auth/refresh", &json!({ "refresh_token": ada["refresh_token"] }));
        let rotated = Instant::now();
        self.call(refresh.clone(), &[], 200).await;
        for name in ["nobody-of-the-log", "ada-of-the-log"] {
            let address = format!("{name}@example.com");
            let ask = Call::post("/api/auth/request-password-reset", &json!({ "email": address }));
            self.call(ask, &[&address], 200).await;
        }
        let token = link_token(resend).await;
        self.secrets.extend(token.clone());
        sleep(GRACE.saturating_sub(rotated.elapsed())).await;
        self.call(refresh, &[], 401).await;

        let reset = json!({ "token": token, "new_password": "Another-sesame42" });
        self.call(Call::post("/api/auth/reset-password", &reset), &["Another-sesame42"], 200).await;
        let old = ada["token"].as_str().expect("a token");
        self.call(Call::get("/api/auth/profile").bearer(old), &[], 401).await;
    }

    /// Uploads of two devices that get into each other's way, and one with a credential.
    async fn sync(&mut self) {
        let login = json!({ "username": "ada-of-the-log", "password": "Another-sesame42" });
        let session = self.call(Call::post("/api/auth/login", &login), &[], 200).await;
        let token = session["token"].as_str().expect("a token");
        let [mut laptop, mut phone] =
            ["laptop", "ada-of-the-log@phone"].map(|name| Device::new(&self.cloud.api, token, name));
        self.secrets.push("ada-of-the-log@phone".to_owned());
        laptop.writes("connection", "shop", connection("The shop of the log"), SystemClock.now());
        for (text, device) in [("select 'one'", &mut laptop), ("select 'two'", &mut phone)] {
            device.writes("saved_query", "orders", saved_query("Orders of the log", text), SystemClock.now());
            device.uploads().await;
            self.secrets.push(text.to_owned());
        }
        self.secrets.extend(["The shop of the log", "Orders of the log", "db.example.com"].map(str::to_owned));
        phone.downloads().await;
        let credential = "ALTER USER shop IDENTIFIED BY 'Sesame-of-the-shop42'";
        phone.writes("saved_query", "users", saved_query("Users", credential), SystemClock.now());
        let answer = phone.uploads_in_vain().await;
        assert_eq!(answer["rejected"][0]["code"], "CREDENTIALS_PRESENT", "{answer}");
        self.secrets.push("Sesame-of-the-shop42".to_owned());
        let list = Call::get("/api/sync/conflicts").bearer(token);
        let mut calls = 1;
        while self.cloud.api.send(list.clone()).await.status != 429 {
            calls += 1;
            assert!(calls < 100, "nobody counts");
        }
    }

    /// A request while the stores are out, and one that makes no sense.
    async fn troubles(&mut self) {
        for _ in 0..2 {
            self.call(Call::get("/ready"), &[], 503).await;
        }
        self.call(Call::get("/nowhere"), &[], 404).await;
    }

    /// What the schedules start, after somebody else's data has become old; all that was written.
    async fn schedules(&mut self) -> String {
        self.something_old().await;
        let mut log = self.cloud.gateway.log();
        for name in ["mail", "purge", "migrate"] {
            let function = self.cloud.scheduled(name).await;
            let answer = function.invoke(&kept("schedule")).await;
            assert!(answer["errorMessage"].is_null(), "{name}: {answer}");
            log += &function.log();
        }
        log
    }

    /// Something for the purge to remove of each kind.
    async fn something_old(&mut self) {
        let service = Service::on(self.cloud.backends.lent(), &[("RATE_LIMITS", "off")]).await;
        let (old, gone) = (service.api.sign_up("old-of-the-log").await, service.api.sign_up("gone-of-the-log").await);
        service.newest_token(MailKind::VerifyEmail, "old-of-the-log@example.com").await;
        let token = old["token"].as_str().expect("a token");
        let [mut laptop, mut phone] = ["old-laptop", "old-phone"].map(|name| Device::new(&service.api, token, name));
        for device in [&mut laptop, &mut phone] {
            let text = format!("select '{}'", service.clock.now());
            device.writes("saved_query", "old", saved_query("Old", &text), service.clock.now());
            device.uploads().await;
            service.clock.advance(1);
        }
        laptop.syncs().await;
        laptop.deletes("saved_query", "old", service.clock.now());
        laptop.uploads().await;
        let user = gone["user"]["id"].as_str().expect("an id").parse().expect("an id");
        service.begin_deletion(user).await;
    }
}

/// The token of the newest link to reset a password.
async fn link_token(resend: &MockServer) -> Option<String> {
    tests::eventually("the mail with the link", async || {
        let mails = resend.received_requests().await.expect("requests are recorded");
        let is_in_token = |c: &char| c.is_ascii_alphanumeric() || ['-', '_'].contains(c);
        let text = |mail: &wiremock::Request| String::from_utf8_lossy(&mail.body).into_owned();
        let link = mails.iter().rev().map(text).find_map(|mail| {
            let (_, rest) = mail.split_once("/reset-password?token=")?;
            Some(rest.chars().take_while(is_in_token).collect::<String>())
        });
        link.map(Some)
    })
    .await
}
