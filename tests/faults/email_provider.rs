//! Requests to Resend and the handling of its responses. `outbox_worker` tests the delivery.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use shared::clock::SystemRandom;
use shared::config::{EmailConfig, Env, ResendConfig};
use shared::mail::{Brand, Email, EmailError, EmailTemplate, Mailer, Resend};
use shared::models::{EmailAddress, Timestamp, User, UserId, Username};
use tests::{Request, ServerProcess, eventually};
use tokio::time::Instant;
use wiremock::matchers::{bearer_token, method, path};
use wiremock::{Mock, MockServer, Request as ReceivedRequest, ResponseTemplate};

const KEY: &str = "re_sesame";
const FROM: &str = "SQL Studio <studio@example.com>";

/// Mock of Resend. It returns the given responses in order, and then the last one repeatedly.
pub(crate) struct Provider(MockServer);

impl Provider {
    pub(crate) async fn responding(responses: Vec<ResponseTemplate>) -> Self {
        let server = MockServer::start().await;
        let last = responses.len() - 1;
        for (index, response) in responses.into_iter().enumerate() {
            let mock = Mock::given(method("POST")).and(path("/emails")).and(bearer_token(KEY)).respond_with(response);
            let mock = if index < last { mock.up_to_n_times(1) } else { mock };
            mock.mount(&server).await;
        }
        Self(server)
    }

    pub(crate) fn mailer(&self) -> Resend {
        let random = Arc::new(SystemRandom);
        let config = ResendConfig { key: SecretString::from(KEY).into(), from: FROM.to_owned(), url: self.0.uri() };
        Resend::new(&config, random).expect("an HTTP client can be created")
    }

    pub(crate) async fn requests(&self) -> Vec<ReceivedRequest> {
        self.0.received_requests().await.expect("requests are recorded")
    }

    /// Sends an email and asserts the number of attempts. All attempts must have the same key and body.
    async fn send(&self, attempts: usize) -> Result<(), EmailError> {
        let sent = self.mailer().send(&mail()).await;
        let requests = self.requests().await;
        assert_eq!(requests.len(), attempts, "{sent:?}");
        let is_same =
            |request: &ReceivedRequest| key(request) == "the key of this mail" && request.body == requests[0].body;
        assert!(requests.iter().all(is_same));
        sent
    }
}

/// Returns the token in the link of the email in `request`.
pub(crate) fn link_token(request: &ReceivedRequest) -> String {
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let (_, rest) = body["text"].as_str().expect("a text").split_once("#token=").expect("a link");
    rest.split_whitespace().next().expect("a token").to_owned()
}

pub(crate) fn key(request: &ReceivedRequest) -> String {
    request.headers["idempotency-key"].to_str().expect("a text").to_owned()
}

pub(crate) fn accepted() -> ResponseTemplate {
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
        database: None,
    };
    let template = EmailTemplate::VerifyEmail { token: "secret" };
    template.to(&user, &brand(), "the key of this mail".to_owned()).expect("the email is valid")
}

/// The product at addresses of its own.
pub(crate) fn brand() -> Brand {
    let env = Env::from_pairs([("PRODUCT_URL", "https://studio.example")]);
    let email = EmailConfig::from_env(&env, Some("https://sync.studio.example".to_owned()));
    Brand::sql_studio(&email.expect("the URLs are right"))
}

#[tokio::test]
async fn request_contains_the_complete_email() {
    let provider = Provider::responding(vec![accepted()]).await;
    provider.send(1).await.expect("the email is accepted");
    let body: Value = serde_json::from_slice(&provider.requests().await[0].body).expect("JSON");
    assert_eq!((&body["from"], &body["to"]), (&json!(FROM), &json!(["ada@example.com"])));
    assert_eq!(body["subject"], "Confirm your email address");
    for part in ["html", "text"] {
        let text = body[part].as_str().expect("a text");
        assert!(text.contains("https://sync.studio.example/verify-email#token=secret"), "{text}");
    }
    assert!(!body["html"].as_str().expect("a text").contains("<b>Ada</b>"));
}

#[tokio::test]
async fn permanent_errors_are_not_retried_and_contain_no_address() {
    let permanent = [(422, "validation_error"), (404, "not_found"), (409, "invalid_idempotent_request")];
    for (status, name) in permanent {
        let provider = Provider::responding(vec![error(status, name)]).await;
        let refused = provider.send(1).await.expect_err("the email is rejected");
        assert!(matches!(refused, EmailError::Refused(_)), "{refused:?}");
        let text = refused.to_string();
        assert!(text.contains(name) && !text.contains("ada@"), "{text}");
    }
}

#[tokio::test]
async fn invalid_api_key_makes_the_provider_unavailable() {
    for (status, name) in [(401, "missing_api_key"), (403, "invalid_api_key")] {
        let provider = Provider::responding(vec![error(status, name)]).await;
        let unavailable = provider.send(1).await.expect_err("the email is not accepted");
        assert!(matches!(unavailable, EmailError::Unavailable(_)), "{unavailable:?}");
    }
}

#[tokio::test]
async fn transient_errors_are_retried() {
    let transient = [error(500, "application_error"), error(503, "x"), error(409, "concurrent_idempotent_requests")];
    for response in transient {
        let provider = Provider::responding(vec![response.clone(), accepted()]).await;
        provider.send(2).await.expect("the email is accepted");
        let provider = Provider::responding(vec![response]).await;
        let given_up = provider.send(3).await.expect_err("the email is given up");
        assert!(matches!(given_up, EmailError::Unavailable(_)), "{given_up:?}");
    }
}

#[tokio::test]
async fn retry_after_is_respected_up_to_a_limit() {
    let busy = |seconds: &str| error(429, "rate_limit_exceeded").insert_header("retry-after", seconds);
    let provider = Provider::responding(vec![busy("2"), accepted()]).await;
    let started = Instant::now();
    provider.send(2).await.expect("the email is accepted");
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());

    let provider = Provider::responding(vec![busy("3600")]).await;
    let started = Instant::now();
    let given_up = provider.send(1).await.expect_err("an hour is too long to wait");
    assert!(matches!(given_up, EmailError::Unavailable(_)), "{given_up:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn silent_provider_times_out() {
    let provider = Provider::responding(vec![accepted().set_delay(Duration::from_secs(60))]).await;
    let started = Instant::now();
    let sent = provider.mailer().send(&mail()).await;
    assert!(matches!(sent, Err(EmailError::Unavailable(_))), "{sent:?}");
    assert!(started.elapsed() < Duration::from_secs(11), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_sends_by_resend_when_configured() {
    let provider = Provider::responding(vec![accepted(), error(500, "application_error")]).await;
    let folder = tests::scratch_dir();
    let url = provider.0.uri();
    let settings = [("RESEND_API_KEY", KEY), ("MAIL_FROM", FROM), ("RESEND_URL", url.as_str())];
    let server = ServerProcess::start_with(folder.path(), &settings).await;
    server.api.sign_up("ada").await;
    let mail = eventually("an email", async || provider.requests().await.into_iter().next()).await;
    let token = link_token(&mail);
    let verified = server.api.send(Request::post("/api/auth/verify-email", &json!({ "token": token }))).await;
    assert_eq!(verified.expect(200)["success"], true, "although the welcome email fails");
    assert!(!folder.path().join("outbox").exists());
}
