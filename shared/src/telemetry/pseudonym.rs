use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::clock::{SystemRandom, random_bytes};
use crate::models::UserId;

/// Length of a pseudonym in hexadecimal digits: enough to tell millions of users apart.
const DIGITS: usize = 16;

static KEY: OnceLock<Hmac<Sha256>> = OnceLock::new();

/// Derives the key of pseudonyms from `secret`, so that processes with the same secret compute the same ones. Without this call the process
/// uses a random key. Later calls, and calls after the first pseudonym, change nothing.
pub fn set_pseudonym_key(secret: &SecretString) {
    let key = mac(secret.expose_secret().as_bytes()).chain_update("pseudonyms").finalize().into_bytes();
    KEY.set(mac(&key)).ok();
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn keyed_hash(kind: &str, id: &[u8]) -> String {
    let key = KEY.get_or_init(|| mac(&random_bytes::<32>(&SystemRandom)));
    let digest = key.clone().chain_update(kind).chain_update(id).finalize().into_bytes();
    hex::encode(digest)[..DIGITS].to_owned()
}

/// Returns the name of `user` in telemetry: a keyed hash of the id. Operators who have the key can compute it from an
/// id (`cargo run -- pseudonym ID`); it cannot be reversed.
pub fn pseudonym(user: UserId) -> String {
    keyed_hash("user:", user.as_uuid().as_bytes())
}

/// Returns the name of a client's address in telemetry: a keyed hash.
pub fn address(address: &str) -> String {
    keyed_hash("address:", address.as_bytes())
}

/// Returns the name of a device in telemetry: its id if that looks generated, otherwise a keyed hash, since a person
/// may have chosen it.
pub fn device(id: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    if id.bytes().all(is_plain) { id.to_owned() } else { keyed_hash("device:", id.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_pseudonym_is_stable_and_hides_the_id() {
        let (ada, bob) = (UserId::new(Uuid::from_u128(1)), UserId::new(Uuid::from_u128(2)));
        assert_eq!(pseudonym(ada), pseudonym(ada));
        assert_ne!(pseudonym(ada), pseudonym(bob));
        assert_eq!(pseudonym(ada).len(), DIGITS);
        assert!(!ada.to_string().contains(&pseudonym(ada)));
    }

    #[test]
    fn device_ids_that_people_may_have_chosen_are_hashed() {
        assert_eq!(device("8b1f-desktop_2"), "8b1f-desktop_2");
        for chosen in ["Ada's laptop", "ada@example.com", "größe"] {
            assert_eq!(device(chosen).len(), DIGITS, "{chosen}");
        }
    }
}
