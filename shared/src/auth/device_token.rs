use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::signing_keys::SigningKeys;
use crate::models::{Timestamp, UserId};

/// Lifetime of a device token, in seconds.
const LIFETIME: i64 = 90 * 24 * 3_600;
/// Claim `aud`: a device token is no access token.
const AUDIENCE: &str = "sql-studio-device";

/// Device on which a user has logged in before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDevice {
    /// The user.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// Random id of the device.
    #[serde(rename = "jti")]
    pub device: Uuid,
    /// Fingerprint of the password of that login. A password change invalidates the token.
    #[serde(rename = "pwd")]
    password: String,
}

impl KnownDevice {
    /// The device `device` of `user`, whose password has the hash `password_hash`.
    pub fn new(user: UserId, device: Uuid, password_hash: &SecretString) -> Self {
        let fingerprint = Sha256::new_with_prefix(b"device:").chain_update(password_hash.expose_secret()).finalize();
        Self { user, device, password: hex::encode(&fingerprint[..8]) }
    }

    /// Whether this is a device of `user`, whose password still has the hash `password_hash`.
    pub fn belongs_to(&self, user: UserId, password_hash: &SecretString) -> bool {
        *self == Self::new(user, self.device, password_hash)
    }
}

/// Issues and verifies device tokens: JWTs signed with HMAC-SHA-256, which no store keeps. A client presents one at its next login, so
/// that wrong passwords of strangers do not delay it. It replaces no password.
pub struct DeviceTokens(Arc<SigningKeys>);

impl DeviceTokens {
    /// Signs and verifies with `keys`.
    pub const fn new(keys: Arc<SigningKeys>) -> Self {
        Self(keys)
    }

    /// Issues a token for `known`.
    ///
    /// # Errors
    /// Never fails with a valid key.
    pub fn issue(&self, known: &KnownDevice, now: Timestamp) -> Result<SecretString, jsonwebtoken::errors::Error> {
        self.0.sign(known, AUDIENCE, LIFETIME, now).map(|(token, _)| token)
    }

    /// Returns the device that `token` stands for; `None` if the token is forged, has expired, or is longer than any that is issued.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Option<KnownDevice> {
        const MAX_BYTES: usize = 1_024;
        if token.len() > MAX_BYTES {
            return None;
        }
        self.0.verify(token, AUDIENCE, now).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::AccessTokens;

    #[tokio::test]
    async fn a_device_token_expires_and_is_no_access_token() {
        let keys = SigningKeys::of_letters('a', None);
        let tokens = DeviceTokens::new(Arc::clone(&keys));
        let (user, hash) = (UserId::new(Uuid::from_u128(1)), SecretString::from("$argon2id$1"));
        let known = KnownDevice::new(user, Uuid::from_u128(2), &hash);
        assert!(known.belongs_to(user, &hash) && !known.belongs_to(user, &SecretString::from("$argon2id$2")));
        assert!(!known.belongs_to(UserId::new(Uuid::from_u128(2)), &hash));
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let token = tokens.issue(&known, now).unwrap();
        let token = token.expose_secret();
        assert_eq!(tokens.verify(token, now.plus_seconds(LIFETIME - 1)).await, Some(known.clone()));
        assert_eq!(tokens.verify(token, now.plus_seconds(LIFETIME)).await, None);
        assert_eq!(tokens.verify(token, now.plus_seconds(-3_600)).await, None, "from the future");
        assert!(AccessTokens::new(Arc::clone(&keys)).verify(token, now).await.is_err());
        let others = DeviceTokens::new(SigningKeys::of_letters('b', None));
        assert_eq!(others.verify(token, now).await, None);
        let rotating = DeviceTokens::new(SigningKeys::of_letters('b', Some('a')));
        assert_eq!(rotating.verify(token, now).await, Some(known.clone()));
    }
}
