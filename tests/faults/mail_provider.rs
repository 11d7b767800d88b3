//! Resend on good days and bad ones: what is sent to it, and what is made of its answers. `outbox_worker` has what becomes of the
//! mails.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use shared::clock::SystemRandom;
use shared::mail::{Brand, Email, EmailError, EmailTemplate, Mailer, Resend};
use shared::models::{EmailAddress, Timestamp, User, UserId, Username};
use tests::{Call, ServerProcess, eventually};
use tokio::time::Instant;
use wiremock::matchers::{bearer_token, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const KEY: &str = "re_sesame";
const FROM: &str = "SQL Studio <studio@example.com>";

/// A stand-in for Resend, which gives these answers in turn, and the last of them for ever.
pub(crate) struct Provider(MockServer);

impl Provider {
    pub(crate) async fn answering(answers: Vec<ResponseTemplate>) -> Self {
        let server = MockServer::start().await;
        let last = answers.len() - 1;
        for (place, answer) in answers.into_iter().enumerate() {
            let mock = Mock::given(method("POST")).and(path("/emails")).and(bearer_token(KEY)).respond_with(answer);
            let mock = if place < last { mock.up_to_n_times(1) } else { mock };
            mock.mount(&server).await;
        }
        Self(server)
    }

    pub(crate) fn mailer(&self) -> Resend {
        let random = Arc::new(SystemRandom);
        Resend::new(&self.0.uri(), SecretString::from(KEY).into(), FROM.to_owned(), random)
            .expect("there can be a client")
    }

    pub(crate) async fn asked(&self) -> Vec<Request> {
        self.0.received_requests().await.expect("requests are recorded")
    }

    /// Sends a mail, and sees how often that was tried: always with the same key and content.
    async fn takes(&self, attempts: usize) -> Result<(), EmailError> {
        let sent = self.mailer().send(&mail()).await;
        let asked = self.asked().await;
        assert_eq!(asked.len(), attempts, "{sent:?}");
        let is_same = |request: &Request| key(request) == "the key of this mail" && request.body == asked[0].body;
        assert!(asked.iter().all(is_same));
        sent
    }
}

/// The token of the link in the mail that was handed over.
pub(crate) fn link_token(request: &Request) -> String {
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let (_, rest) = body["text"].as_str().expect("a text").split_once("?token=").expect("a link");
    rest.split_whitespace().next().expect("a token").to_owned()
}

pub(crate) fn key(request: &Request) -> String {
    request.headers["idempotency-key"].to_str().expect("a text").to_owned()
}

pub(crate) fn taken() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794" }))
}

pub(crate) fn error(status: u16, name: &str) -> ResponseTemplate {
    let body = json!({ "statusCode": status, "name": name, "message": "about ada@example.com" });
    ResponseTemplate::new(status).set_body_json(body)
}

fn mail() -> Email {
    let user = User {
        id: UserId::new(uuid::Uuid::nil()),
        username: Username::parse("<b>Ada</b>").expect("a name"),
        email: EmailAddress::parse("ada@example.com").expect("an address"),
        email_verified_at: None,
        created_at: Timestamp::EPOCH,
    };
    let template = EmailTemplate::VerifyEmail { token: "secret" };
    let brand = Brand::sql_studio("https://studio.example", "https://sync.studio.example");
    template.to(&user, &brand, "the key of this mail".to_owned()).expect("the mail is written")
}

#[tokio::test]
async fn a_mail_is_sent_whole() {
    let provider = Provider::answering(vec![taken()]).await;
    provider.takes(1).await.expect("it is taken");
    let body: Value = serde_json::from_slice(&provider.asked().await[0].body).expect("JSON");
    assert_eq!((&body["from"], &body["to"]), (&json!(FROM), &json!(["ada@example.com"])));
    assert_eq!(body["subject"], "Confirm your email address");
    for part in ["html", "text"] {
        let text = body[part].as_str().expect("a text");
        assert!(text.contains("https://sync.studio.example/verify-email?token=secret"), "{text}");
    }
    assert!(!body["html"].as_str().expect("a text").contains("<b>Ada</b>"));
}

#[tokio::test]
async fn what_is_final_is_not_tried_again_and_names_nobody() {
    let finals = [(422, "validation_error"), (404, "not_found"), (409, "invalid_idempotent_request")];
    for (status, name) in finals {
        let provider = Provider::answering(vec![error(status, name)]).await;
        let refused = provider.takes(1).await.expect_err("it is refused");
        assert!(matches!(refused, EmailError::Refused(_)), "{refused:?}");
        let text = refused.to_string();
        assert!(text.contains(name) && !text.contains("ada@"), "{text}");
    }
}

#[tokio::test]
async fn mails_wait_for_whoever_mends_the_key() {
    for (status, name) in [(401, "missing_api_key"), (403, "invalid_api_key")] {
        let provider = Provider::answering(vec![error(status, name)]).await;
        let waits = provider.takes(1).await.expect_err("it is not taken");
        assert!(matches!(waits, EmailError::Unavailable(_)), "{waits:?}");
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let passing = [error(500, "application_error"), error(503, "x"), error(409, "concurrent_idempotent_requests")];
    for answer in passing {
        let provider = Provider::answering(vec![answer.clone(), taken()]).await;
        provider.takes(2).await.expect("it is taken");
        let provider = Provider::answering(vec![answer]).await;
        let given_up = provider.takes(3).await.expect_err("it is given up");
        assert!(matches!(given_up, EmailError::Unavailable(_)), "{given_up:?}");
    }
}

#[tokio::test]
async fn whoever_asks_for_patience_gets_it_within_reason() {
    let busy = |seconds: &str| error(429, "rate_limit_exceeded").insert_header("retry-after", seconds);
    let provider = Provider::answering(vec![busy("2"), taken()]).await;
    let started = Instant::now();
    provider.takes(2).await.expect("it is taken");
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());

    let provider = Provider::answering(vec![busy("3600")]).await;
    let started = Instant::now();
    let given_up = provider.takes(1).await.expect_err("nobody waits for an hour");
    assert!(matches!(given_up, EmailError::Unavailable(_)), "{given_up:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn silence_is_not_waited_for_for_ever() {
    let provider = Provider::answering(vec![taken().set_delay(Duration::from_secs(60))]).await;
    let started = Instant::now();
    let sent = provider.mailer().send(&mail()).await;
    assert!(matches!(sent, Err(EmailError::Unavailable(_))), "{sent:?}");
    assert!(started.elapsed() < Duration::from_secs(11), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_sends_by_resend_where_it_is_told_to() {
    let provider = Provider::answering(vec![taken(), error(500, "application_error")]).await;
    let folder = tests::scratch();
    let url = provider.0.uri();
    let settings = [("RESEND_API_KEY", KEY), ("MAIL_FROM", FROM), ("RESEND_URL", url.as_str())];
    let server = ServerProcess::start_with(folder.path(), &settings).await;
    server.api.sign_up("ada").await;
    let mail = eventually("a mail", async || provider.asked().await.into_iter().next()).await;
    let token = link_token(&mail);
    let verified = server.api.send(Call::post("/api/auth/verify-email", &json!({ "token": token }))).await;
    assert_eq!(verified.expect(200)["success"], true, "though nobody takes the welcome");
    assert!(!folder.path().join("outbox").exists());
}
