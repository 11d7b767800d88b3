//! Forged access tokens are rejected.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{Request, Service, TestUser};

use crate::helpers::token_part;

/// Signing key of a test `Service`.
const KEY: &[u8] = b"a signing key for tests, 32 bytes";

/// A route with authentication and without a body for each function.
pub(crate) const PROTECTED_ROUTES: [&str; 4] =
    ["/api/auth/profile", "/api/sync/status", "/api/sync/download?device_id=attacker", "/api/sync/conflicts"];

/// Forged token before it is signed.
#[derive(Clone)]
struct Forgery {
    header: Value,
    claims: Value,
}

impl Forgery {
    /// Copies header and claims of `token`.
    fn of(token: &str) -> Self {
        Self { header: token_part(token, 0), claims: token_part(token, 1) }
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

    /// Returns the encoded header and claims, over which the signature is computed.
    fn message(&self) -> String {
        [&self.header, &self.claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
    }

    /// Signs the token with `key` by HMAC-SHA256, regardless of its header.
    fn signed(&self, key: &[u8]) -> String {
        self.signed_by(hmac::HMAC_SHA256, key)
    }

    fn signed_by(&self, algorithm: hmac::Algorithm, key: &[u8]) -> String {
        let message = self.message();
        let signature = hmac::sign(&hmac::Key::new(algorithm, key), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub(crate) async fn assert_accepted(service: &Service, token: &str) {
    for route in PROTECTED_ROUTES {
        let response = service.api.send(Request::get(route).bearer(token)).await;
        assert_eq!(response.status, 200, "{route}");
    }
}

pub(crate) async fn assert_rejected(service: &Service, token: &str, reason: &str) {
    for route in PROTECTED_ROUTES {
        let response = service.api.send(Request::get(route).bearer(token)).await;
        assert_eq!((response.status, &response.json()["code"]), (401, &json!("UNAUTHORIZED")), "{reason}: {route}");
    }
}

/// Returns a service, a logged-in user, and a forgery of her token. Without changes the forgery is accepted.
async fn setup() -> (Service, TestUser, Forgery) {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let valid = Forgery::of(&ada.token);
    assert_accepted(&service, &valid.signed(KEY)).await;
    (service, ada, valid)
}

#[tokio::test]
async fn unsigned_token_is_rejected() {
    let (service, ada, valid) = setup().await;
    let (message, signature) = ada.token.rsplit_once('.').expect("a token has three parts");
    for token in [message.to_owned(), format!("{message}."), format!("{message}..")] {
        assert_rejected(&service, &token, &token).await;
    }
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let message = valid.clone().header("alg", alg).message();
        for token in [message.clone(), format!("{message}."), format!("{message}.{signature}")] {
            assert_rejected(&service, &token, alg).await;
        }
    }
}

#[tokio::test]
async fn token_signed_with_another_key_is_rejected() {
    let (service, _, valid) = setup().await;
    let kid = valid.header["kid"].as_str().expect("a token names its key").as_bytes().to_vec();
    for key in [b"".as_slice(), b"secret", &[0; 32], b"A signing key for tests, 32 bytes", &KEY[..32], &kid] {
        assert_rejected(&service, &valid.signed(key), &key.escape_ascii().to_string()).await;
    }
}

/// Key confusion: the header names a public-key algorithm, but the signature is an HMAC, even with the right key.
#[tokio::test]
async fn token_with_another_algorithm_is_rejected() {
    let (service, _, valid) = setup().await;
    for alg in ["RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA", "HS384", "HS512", "hs256", "HS1"] {
        let forgery = valid.clone().header("alg", alg);
        for algorithm in [hmac::HMAC_SHA256, hmac::HMAC_SHA384, hmac::HMAC_SHA512] {
            assert_rejected(&service, &forgery.signed_by(algorithm, KEY), alg).await;
        }
    }
    assert_rejected(&service, &valid.signed_by(hmac::HMAC_SHA512, KEY), "hash differs from the header").await;
}

#[tokio::test]
async fn token_with_embedded_key_is_rejected() {
    let (service, _, valid) = setup().await;
    let attacker_key = b"a key of the attacker's, 32 bytes";
    let oct = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(attacker_key) });
    for (name, value) in [
        ("jwk", oct),
        ("jku", json!("https://evil.example/keys.json")),
        ("x5u", json!("https://evil.example/chain.pem")),
        ("x5c", json!([URL_SAFE_NO_PAD.encode(attacker_key)])),
    ] {
        assert_rejected(&service, &valid.clone().header(name, value).signed(attacker_key), name).await;
    }
    for kid in ["", "../../../dev/null", "' UNION SELECT 'key' --", "0000000000000000", "https://evil.example/key"] {
        let forgery = valid.clone().header("kid", kid);
        for key in [b"".as_slice(), b"key", attacker_key] {
            assert_rejected(&service, &forgery.signed(key), kid).await;
        }
    }
    for kid in [Value::Null, json!(["a", "b"]), json!(7)] {
        assert_rejected(&service, &valid.clone().header("kid", kid).signed(KEY), "no valid key id").await;
    }
}

#[tokio::test]
async fn token_for_another_audience_is_rejected() {
    let (service, _, valid) = setup().await;
    for audience in [json!("sql-studio-admin"), json!("SQL-STUDIO"), json!(""), json!(["another"]), Value::Null] {
        let reason = audience.to_string();
        assert_rejected(&service, &valid.clone().claim("aud", audience).signed(KEY), &reason).await;
    }
    assert_rejected(&service, &valid.without_claim("aud").signed(KEY), "missing").await;
}

#[tokio::test]
async fn token_of_another_issuer_is_rejected() {
    let (service, _, valid) = setup().await;
    for issuer in [json!("https://evil.example"), json!("sql-studio-sync "), json!(""), json!(["x"]), Value::Null] {
        let reason = issuer.to_string();
        assert_rejected(&service, &valid.clone().claim("iss", issuer).signed(KEY), &reason).await;
    }
    assert_rejected(&service, &valid.without_claim("iss").signed(KEY), "missing").await;
}

/// An extension that the server must understand (RFC 7515 §4.1.11): it understands none.
#[tokio::test]
async fn token_with_a_critical_extension_is_rejected() {
    let (service, _, valid) = setup().await;
    for critical in [json!(["exp"]), json!(["b64"]), json!(["https://evil.example/ext"]), json!([])] {
        let forgery = valid.clone().header("b64", true).header("crit", critical.clone());
        assert_rejected(&service, &forgery.signed(KEY), &critical.to_string()).await;
    }
}

/// Clocks of two instances may differ by a minute.
#[tokio::test]
async fn token_from_the_future_is_rejected() {
    let (service, _, valid) = setup().await;
    let now = service.clock.now().micros() / 1_000_000;
    for claim in ["nbf", "iat"] {
        for seconds in [61, 3_600, 10_000_000_000] {
            let forgery = valid.clone().claim(claim, now + seconds);
            assert_rejected(&service, &forgery.signed(KEY), &format!("{claim} in {seconds} s")).await;
        }
        assert_rejected(&service, &valid.clone().claim(claim, "soon").signed(KEY), claim).await;
        assert_accepted(&service, &valid.clone().claim(claim, now + 59).signed(KEY)).await;
    }
    assert_rejected(&service, &valid.without_claim("iat").signed(KEY), "no iat").await;
}

#[tokio::test]
async fn expired_token_is_rejected() {
    let (service, ada, valid) = setup().await;
    let now = service.clock.now().micros() / 1_000_000;
    assert_accepted(&service, &valid.clone().claim("exp", now + 1).signed(KEY)).await;
    for exp in [now, now - 1, 0] {
        let token = valid.clone().claim("exp", exp).signed(KEY);
        for route in PROTECTED_ROUTES {
            service.api.send(Request::get(route).bearer(&token)).await.expect_error(401, "TOKEN_EXPIRED");
        }
    }
    for exp in
        [json!("9999999999"), json!(-1), json!(i64::MIN), json!(u64::MAX), json!(1e300), json!(null), json!(true)]
    {
        assert_rejected(&service, &valid.clone().claim("exp", exp).signed(KEY), "invalid time").await;
    }
    assert_rejected(&service, &valid.without_claim("exp").signed(KEY), "no expiry").await;
    service.clock.advance(24 * 3_600);
    ada.get("/api/auth/profile").await.expect_error(401, "TOKEN_EXPIRED");
}

#[tokio::test]
async fn modified_token_is_rejected() {
    let (service, ada, valid) = setup().await;
    let eve = TestUser::sign_up(&service.api, "eve").await;
    let signature = ada.token.rsplit('.').next().expect("a token has three parts");
    let eves_claims = token_part(&eve.token, 1);
    for (name, value) in [
        ("sub", eves_claims["sub"].clone()),
        ("sid", eves_claims["sid"].clone()),
        ("role", json!("admin")),
        ("exp", json!(9_999_999_999_i64)),
        ("jti", eves_claims["jti"].clone()),
    ] {
        let modified = valid.clone().claim(name, value).message();
        assert_rejected(&service, &format!("{modified}.{signature}"), name).await;
    }
    let (message, _) = eve.token.rsplit_once('.').expect("a token has three parts");
    assert_rejected(&service, &format!("{message}.{signature}"), "the signature of another token").await;
    assert_accepted(&service, &eve.token).await;
}

/// Even with a valid signature, the session must belong to the user.
#[tokio::test]
async fn token_with_session_of_another_user_is_rejected() {
    let (service, ada, valid) = setup().await;
    let eve = Forgery::of(&TestUser::sign_up(&service.api, "eve").await.token);
    assert_accepted(&service, &eve.signed(KEY)).await;
    let (sub, sid) = (&eve.claims["sub"], &eve.claims["sid"]);
    assert_rejected(&service, &valid.clone().claim("sid", sid.clone()).signed(KEY), "Ada in Eve's session").await;
    assert_rejected(&service, &valid.clone().claim("sub", sub.clone()).signed(KEY), "Eve in Ada's session").await;
    for sid in ["00000000-0000-0000-0000-000000000000", "nonsense", "*", ""] {
        assert_rejected(&service, &valid.clone().claim("sid", sid).signed(KEY), sid).await;
    }
    assert_rejected(&service, &valid.without_claim("sid").signed(KEY), "no session").await;
    assert!(ada.is_authenticated().await);
}

#[tokio::test]
async fn token_with_unknown_role_is_rejected() {
    let (service, _, valid) = setup().await;
    for role in [json!("admin"), json!("User"), json!(["user"]), json!(""), Value::Null] {
        let reason = role.to_string();
        assert_rejected(&service, &valid.clone().claim("role", role).signed(KEY), &reason).await;
    }
}
