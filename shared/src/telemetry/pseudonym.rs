use std::sync::OnceLock;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::clock::{SystemRandom, random_bytes};
use crate::models::UserId;

/// How many hexadecimal digits name somebody: enough to tell millions apart.
const DIGITS: usize = 16;

static KEY: OnceLock<Hmac<Sha256>> = OnceLock::new();

/// Sets the key of pseudonyms, so that processes with the same key compute the same ones. Without this call the process
/// uses a random key. Later calls, and calls after the first pseudonym, change nothing.
pub fn set_pseudonym_key(key: &SecretString) {
    KEY.set(mac(key.expose_secret().as_bytes())).ok();
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn named(kind: &str, what: &[u8]) -> String {
    let key = KEY.get_or_init(|| mac(&random_bytes::<32>(&SystemRandom)));
    let digest = key.clone().chain_update(kind).chain_update(what).finalize().into_bytes();
    hex::encode(digest)[..DIGITS].to_owned()
}

/// The name under which `user` stands in logs. Whoever has the key can make it of an id (`cargo run -- pseudonym ID`);
/// nobody can make the id of it.
pub fn pseudonym(user: UserId) -> String {
    named("user:", user.as_uuid().as_bytes())
}

/// The name under which a device stands in logs: its own, where that is an id such as programs make, and otherwise one like
/// a user's. A person may have chosen it.
pub fn device(id: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    if id.bytes().all(is_plain) { id.to_owned() } else { named("device:", id.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_pseudonym_is_the_same_each_time_and_tells_nothing() {
        let (ada, bob) = (UserId::new(Uuid::from_u128(1)), UserId::new(Uuid::from_u128(2)));
        assert_eq!(pseudonym(ada), pseudonym(ada));
        assert_ne!(pseudonym(ada), pseudonym(bob));
        assert_eq!(pseudonym(ada).len(), DIGITS);
        assert!(!ada.to_string().contains(&pseudonym(ada)));
    }

    #[test]
    fn a_device_is_told_by_its_id_unless_a_person_may_have_written_it() {
        assert_eq!(device("8b1f-desktop_2"), "8b1f-desktop_2");
        for written in ["Ada's laptop", "ada@example.com", "größe"] {
            assert_eq!(device(written).len(), DIGITS, "{written}");
        }
    }
}
