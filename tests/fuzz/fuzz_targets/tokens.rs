//! Fuzzes access tokens: only the issued token is valid, however similar another one is.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret, SecretString};
use shared::auth::{AccessTokens, OpaqueToken, SigningKeys};
use shared::config::AuthConfig;
use shared::models::{Session, SessionId, Timestamp, UserId};
use tokio::runtime::Builder;
use uuid::Uuid;

const NOW: i64 = 1_800_000_000_000_000;

static ISSUED: LazyLock<(AccessTokens, String)> = LazyLock::new(|| {
    let signing_key = SecretString::from("a signing key for fuzzing, 32 bytes");
    let keys = SigningKeys::new(&AuthConfig { signing_key, previous_key: None, source: None });
    let tokens = AccessTokens::new(Arc::new(keys.expect("the key is long enough")));
    let now = Timestamp::from_micros(NOW);
    let session = Session {
        id: SessionId::new(Uuid::from_u128(1)),
        user: UserId::new(Uuid::from_u128(2)),
        device: "laptop".to_owned(),
        ip: "203.0.113.7".to_owned(),
        created_at: now,
        last_seen_at: now,
        expires_at: now.plus_seconds(1_000),
    };
    let (token, _) = tokens.issue(&session, Uuid::from_u128(3), now).expect("the token is issued");
    (tokens, token.expose_secret().to_owned())
});

/// Returns `token` with edits from `data`: each is an index and a new byte.
fn edited(token: &str, data: &[u8]) -> String {
    let mut bytes = token.as_bytes().to_vec();
    for edit in data.chunks_exact(3).take(16) {
        let index = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
        bytes[index] = edit[2];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fuzz_target!(|data: &[u8]| {
    let (tokens, issued) = &*ISSUED;
    let runtime = Builder::new_current_thread().build().expect("the runtime builds");
    let text = String::from_utf8_lossy(data).into_owned();
    OpaqueToken::parse(&text);
    for forged in [text, edited(issued, data)] {
        if runtime.block_on(tokens.verify(&forged, Timestamp::from_micros(NOW))).is_ok() {
            assert_eq!(&forged, issued, "{forged} is accepted");
        }
    }
});
