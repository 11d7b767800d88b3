//! Access tokens: nothing opens that was not issued, be it ever so like one that was.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret, SecretString};
use shared::auth::{AccessTokens, Keys, OpaqueToken, SigningKey};
use shared::models::{Session, SessionId, Timestamp, UserId};
use tokio::runtime::Builder;
use uuid::Uuid;

const NOW: i64 = 1_800_000_000_000_000;

static ISSUED: LazyLock<(AccessTokens, String)> = LazyLock::new(|| {
    let key = SigningKey::new(&SecretString::from("a signing key for fuzzing, 32 bytes")).expect("it is long enough");
    let (tokens, now) = (AccessTokens::new(Keys::new(key, None), None), Timestamp::from_micros(NOW));
    let session = Session {
        id: SessionId::new(Uuid::from_u128(1)),
        user: UserId::new(Uuid::from_u128(2)),
        device: "laptop".to_owned(),
        ip: "203.0.113.7".to_owned(),
        created_at: now,
        last_seen_at: now,
        expires_at: now.plus_seconds(1_000),
    };
    let (token, _) = tokens.issue(&session, Uuid::from_u128(3), now).expect("it is issued");
    (tokens, token.expose_secret().to_owned())
});

/// `token` with edits that `data` describes: each a place, and the byte to put there.
fn edited(token: &str, data: &[u8]) -> String {
    let mut bytes = token.as_bytes().to_vec();
    for edit in data.chunks_exact(3).take(16) {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
        bytes[place] = edit[2];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fuzz_target!(|data: &[u8]| {
    let (tokens, issued) = &*ISSUED;
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let text = String::from_utf8_lossy(data).into_owned();
    OpaqueToken::parse(&text);
    for forged in [text, edited(issued, data)] {
        if runtime.block_on(tokens.verify(&forged, Timestamp::from_micros(NOW))).is_ok() {
            assert_eq!(&forged, issued, "{forged} opens");
        }
    }
});
