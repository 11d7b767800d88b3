//! Forged tokens open nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Call, Person, Service};

use crate::people::part;

/// The key that a `Service` signs with.
const KEY: &[u8] = b"a signing key for tests, 32 bytes";

/// A guarded route of each function that can be asked without a body.
pub(crate) const DOORS: [&str; 4] =
    ["/api/auth/profile", "/api/sync/status", "/api/sync/download?device_id=thief", "/api/sync/conflicts"];

/// A token in the making.
#[derive(Clone)]
struct Forgery {
    header: Value,
    claims: Value,
}

impl Forgery {
    /// Starts from what `token` says.
    fn of(token: &str) -> Self {
        Self { header: part(token, 0), claims: part(token, 1) }
    }

    fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    fn without_claim(mut self, name: &str) -> Self {
        self.claims.as_object_mut().expect("claims are an object").remove(name);
        self
    }

    /// Header and claims, which a signature is made of.
    fn message(&self) -> String {
        [&self.header, &self.claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
    }

    /// As whoever knows `key` signs it, whatever its header says.
    fn signed(&self, key: &[u8]) -> String {
        self.signed_by(hmac::HMAC_SHA256, key)
    }

    fn signed_by(&self, algorithm: hmac::Algorithm, key: &[u8]) -> String {
        let message = self.message();
        let signature = hmac::sign(&hmac::Key::new(algorithm, key), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(crate) async fn opens_everything(service: &Service, token: &str) {
    for door in DOORS {
        let answer = service.api.send(Call::get(door).bearer(token)).await;
        assert_eq!(answer.status, 200, "{door}");
    }
}

pub(crate) async fn opens_nothing(service: &Service, token: &str, why: &str) {
    for door in DOORS {
        let answer = service.api.send(Call::get(door).bearer(token)).await;
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("UNAUTHORIZED")), "{why}: {door}");
    }
}

/// Ada is logged in, and her token can be signed anew: as it is it opens everything, so what is refused is the change.
async fn scene() -> (Service, Person, Forgery) {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let honest = Forgery::of(&ada.token);
    opens_everything(&service, &honest.signed(KEY)).await;
    (service, ada, honest)
}

#[tokio::test]
async fn a_token_without_a_signature_opens_nothing() {
    let (service, ada, honest) = scene().await;
    let (message, signature) = ada.token.rsplit_once('.').expect("a token has three parts");
    for token in [message.to_owned(), format!("{message}."), format!("{message}..")] {
        opens_nothing(&service, &token, &token).await;
    }
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let message = honest.clone().header("alg", alg).message();
        for token in [message.clone(), format!("{message}."), format!("{message}.{signature}")] {
            opens_nothing(&service, &token, alg).await;
        }
    }
}

#[tokio::test]
async fn a_token_signed_with_another_key_opens_nothing() {
    let (service, _, honest) = scene().await;
    let kid = honest.header["kid"].as_str().expect("a token names its key").as_bytes().to_vec();
    for key in [b"".as_slice(), b"secret", &[0; 32], b"A signing key for tests, 32 bytes", &KEY[..32], &kid] {
        opens_nothing(&service, &honest.signed(key), &key.escape_ascii().to_string()).await;
    }
}

/// Key confusion: a header that claims a public-key algorithm, over an HMAC. Not even the right key makes it good.
#[tokio::test]
async fn a_token_of_another_algorithm_opens_nothing() {
    let (service, _, honest) = scene().await;
    for alg in ["RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA", "HS384", "HS512", "hs256", "HS1"] {
        let forgery = honest.clone().header("alg", alg);
        for algorithm in [hmac::HMAC_SHA256, hmac::HMAC_SHA384, hmac::HMAC_SHA512] {
            opens_nothing(&service, &forgery.signed_by(algorithm, KEY), alg).await;
        }
    }
    opens_nothing(&service, &honest.signed_by(hmac::HMAC_SHA512, KEY), "another hash than the header says").await;
}

#[tokio::test]
async fn a_token_that_brings_its_own_key_opens_nothing() {
    let (service, _, honest) = scene().await;
    let own = b"a key of the attacker's, 32 bytes";
    let oct = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(own) });
    for (name, value) in [
        ("jwk", oct),
        ("jku", json!("https://evil.example/keys.json")),
        ("x5u", json!("https://evil.example/chain.pem")),
        ("x5c", json!([URL_SAFE_NO_PAD.encode(own)])),
    ] {
        opens_nothing(&service, &honest.clone().header(name, value).signed(own), name).await;
    }
    for kid in ["", "../../../dev/null", "' UNION SELECT 'key' --", "0000000000000000", "https://evil.example/key"] {
        let forgery = honest.clone().header("kid", kid);
        for key in [b"".as_slice(), b"key", own] {
            opens_nothing(&service, &forgery.signed(key), kid).await;
        }
    }
    for kid in [Value::Null, json!(["a", "b"]), json!(7)] {
        opens_nothing(&service, &honest.clone().header("kid", kid).signed(KEY), "no key is named").await;
    }
}

#[tokio::test]
async fn a_token_for_another_audience_opens_nothing() {
    let (service, _, honest) = scene().await;
    for audience in [json!("sql-studio-admin"), json!("SQL-STUDIO"), json!(""), json!(["another"]), Value::Null] {
        let why = audience.to_string();
        opens_nothing(&service, &honest.clone().claim("aud", audience).signed(KEY), &why).await;
    }
    opens_nothing(&service, &honest.without_claim("aud").signed(KEY), "none").await;
}

#[tokio::test]
async fn a_token_of_another_issuer_opens_nothing() {
    let (service, _, honest) = scene().await;
    for issuer in [json!("https://evil.example"), json!("sql-studio-sync "), json!(""), json!(["x"]), Value::Null] {
        let why = issuer.to_string();
        opens_nothing(&service, &honest.clone().claim("iss", issuer).signed(KEY), &why).await;
    }
    opens_nothing(&service, &honest.without_claim("iss").signed(KEY), "none").await;
}

#[tokio::test]
async fn an_expired_token_opens_nothing() {
    let (service, ada, honest) = scene().await;
    let now = service.clock.now().micros() / 1_000_000;
    opens_everything(&service, &honest.clone().claim("exp", now + 1).signed(KEY)).await;
    for exp in [now, now - 1, 0] {
        let token = honest.clone().claim("exp", exp).signed(KEY);
        for door in DOORS {
            service.api.send(Call::get(door).bearer(&token)).await.refused(401, "TOKEN_EXPIRED");
        }
    }
    for exp in
        [json!("9999999999"), json!(-1), json!(i64::MIN), json!(u64::MAX), json!(1e300), json!(null), json!(true)]
    {
        opens_nothing(&service, &honest.clone().claim("exp", exp).signed(KEY), "no time").await;
    }
    opens_nothing(&service, &honest.without_claim("exp").signed(KEY), "it never expires").await;
    service.clock.advance(24 * 3_600);
    ada.gets("/api/auth/profile").await.refused(401, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn a_changed_token_opens_nothing() {
    let (service, ada, honest) = scene().await;
    let eve = Person::joins(&service.api, "eve").await;
    let signature = ada.token.rsplit('.').next().expect("a token has three parts");
    let of_eve = part(&eve.token, 1);
    for (name, value) in [
        ("sub", of_eve["sub"].clone()),
        ("sid", of_eve["sid"].clone()),
        ("role", json!("admin")),
        ("exp", json!(9_999_999_999_i64)),
        ("jti", of_eve["jti"].clone()),
    ] {
        let changed = honest.clone().claim(name, value).message();
        opens_nothing(&service, &format!("{changed}.{signature}"), name).await;
    }
    let (message, _) = eve.token.rsplit_once('.').expect("a token has three parts");
    opens_nothing(&service, &format!("{message}.{signature}"), "the signature of another token").await;
    opens_everything(&service, &eve.token).await;
}

/// Whatever the signature says: the session must be the user's own.
#[tokio::test]
async fn a_token_of_another_users_session_opens_nothing() {
    let (service, ada, honest) = scene().await;
    let eve = Forgery::of(&Person::joins(&service.api, "eve").await.token);
    opens_everything(&service, &eve.signed(KEY)).await;
    let (sub, sid) = (&eve.claims["sub"], &eve.claims["sid"]);
    opens_nothing(&service, &honest.clone().claim("sid", sid.clone()).signed(KEY), "Ada in Eve's session").await;
    opens_nothing(&service, &honest.clone().claim("sub", sub.clone()).signed(KEY), "Eve in Ada's session").await;
    for sid in ["00000000-0000-0000-0000-000000000000", "nonsense", "*", ""] {
        opens_nothing(&service, &honest.clone().claim("sid", sid).signed(KEY), sid).await;
    }
    opens_nothing(&service, &honest.without_claim("sid").signed(KEY), "no session").await;
    assert!(ada.is_let_in().await);
}

#[tokio::test]
async fn a_token_of_a_role_that_nobody_has_opens_nothing() {
    let (service, _, honest) = scene().await;
    for role in [json!("admin"), json!("User"), json!(["user"]), json!(""), Value::Null] {
        let why = role.to_string();
        opens_nothing(&service, &honest.clone().claim("role", role).signed(KEY), &why).await;
    }
}
