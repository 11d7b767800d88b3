use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Params};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use super::argon2id::{Argon2id, PasswordCost};
use crate::clock::{Random, random_bytes};
use crate::models::{InvalidValue, limits};

/// Maximum number of concurrent hashes. Each uses 19 MiB and one core.
const CONCURRENT_HASHES: usize = 2;

/// A password: 8 to 128 characters, with an upper-case letter, a lower-case letter and a digit. Clients show these rules.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
    /// Checks a new password.
    ///
    /// # Errors
    /// Fails with the first rule that `text` violates.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        let length = text.chars().count();
        let (min, max) = (limits::PASSWORD_MIN_CHARS, limits::PASSWORD_MAX_CHARS);
        if !(min..=max).contains(&length) {
            Err(InvalidValue::new(format!("must have {min} to {max} characters")))
        } else if text.contains('\0') {
            Err(InvalidValue::new("must not contain a NUL character"))
        } else if !text.chars().any(char::is_uppercase) {
            Err(InvalidValue::new("must contain an upper-case letter"))
        } else if !text.chars().any(char::is_lowercase) {
            Err(InvalidValue::new("must contain a lower-case letter"))
        } else if !text.chars().any(char::is_numeric) {
            Err(InvalidValue::new("must contain a digit"))
        } else {
            Ok(Self(normalise(text)))
        }
    }

    /// Wraps a password to be verified, without checking the rules: other rules may have applied when it was set. Truncates
    /// a text that is longer than any password, which bounds the cost of hashing.
    pub fn new_unchecked(text: &str) -> Self {
        Self(normalise(&text.chars().take(limits::PASSWORD_MAX_CHARS + 1).collect::<String>()))
    }
}

/// Applies NFKC, so that the same password typed on two systems has the same bytes (NIST SP 800-63B §5.1.1.2).
fn normalise(text: &str) -> SecretString {
    SecretString::from(text.nfkc().collect::<String>())
}

/// Result of verifying a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The password is wrong, or the account does not exist.
    Wrong,
    /// The password is correct.
    Correct,
    /// The password is correct, but its hash has weaker parameters than the current ones.
    CorrectButOutdated,
}

/// Hashes and verifies passwords with Argon2id. Hashing runs on blocking threads, with bounded concurrency.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    argon2: Arc<Argon2id>,
    cost: PasswordCost,
    random: Arc<dyn Random>,
    /// Hash to verify against if the account does not exist, so that the response takes the same time.
    dummy_hash: SecretString,
}

impl Passwords {
    /// Hashes with the parameters `cost` and salts from `random`.
    pub fn new(cost: PasswordCost, random: Arc<dyn Random>) -> Self {
        let (salt, hash) = ("A".repeat(22), "A".repeat(43));
        let PasswordCost { memory_kib, passes, lanes } = cost;
        let dummy_hash =
            SecretString::from(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}"));
        let (permits, argon2) = (Arc::new(Semaphore::new(CONCURRENT_HASHES)), Arc::new(Argon2id::new(cost)));
        Self { permits, argon2, cost, random, dummy_hash }
    }

    /// Returns the hash of `password`, with a new salt, as a PHC string.
    ///
    /// # Errors
    /// Fails if the process is shutting down.
    pub async fn hash(&self, password: &Password) -> Result<SecretString, HashingFailed> {
        let salt: [u8; 16] = random_bytes(&*self.random);
        let (argon2, password) = (Arc::clone(&self.argon2), password.clone());
        self.run(move || {
            let hash = argon2.hash_password_with_salt(password.0.expose_secret().as_bytes(), &salt);
            hash.map(|hash| SecretString::from(hash.to_string())).map_err(|_| HashingFailed)
        })
        .await?
    }

    /// Verifies `password` against the PHC string `hash`. Pass `None` if the account does not exist: the result is then
    /// [`PasswordCheck::Wrong`], after the same time.
    ///
    /// # Errors
    /// Fails if the process is shutting down.
    pub async fn verify(
        &self,
        password: &Password,
        hash: Option<&SecretString>,
    ) -> Result<PasswordCheck, HashingFailed> {
        let exists = hash.is_some();
        let hash = hash.unwrap_or(&self.dummy_hash).clone();
        let (argon2, cost, password) = (Arc::clone(&self.argon2), self.cost, password.clone());
        self.run(move || {
            let Ok(parsed) = PasswordHash::new(hash.expose_secret()) else { return PasswordCheck::Wrong };
            let matches = argon2.verify_password(password.0.expose_secret().as_bytes(), &parsed).is_ok();
            match (exists && matches, is_at_least(cost, &parsed)) {
                (false, _) => PasswordCheck::Wrong,
                (true, true) => PasswordCheck::Correct,
                (true, false) => PasswordCheck::CorrectButOutdated,
            }
        })
        .await
    }

    /// Runs `work` on a blocking thread, after waiting for a permit.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, HashingFailed> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| HashingFailed)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        task.await.map_err(|_| HashingFailed)
    }
}

/// A password could not be hashed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashingFailed;

/// Whether every parameter of `hash` is at least that of `cost`.
fn is_at_least(cost: PasswordCost, hash: &PasswordHash) -> bool {
    let Ok(params) = Params::try_from(hash) else { return false };
    hash.algorithm == Algorithm::Argon2id.ident()
        && params.m_cost() >= cost.memory_kib
        && params.t_cost() >= cost.passes
        && params.p_cost() >= cost.lanes
}

#[cfg(test)]
mod tests {
    use argon2::{Argon2, Version};

    use super::*;
    use crate::clock::SystemRandom;

    #[test]
    fn weak_passwords_are_rejected() {
        for good in ["Sesame42", "Ångström1", "Пароль123", &format!("aA1{}", "界".repeat(125))] {
            assert!(Password::parse(good).is_ok(), "{good}");
        }
        for weak in ["Sesam42", "sesame42", "SESAME42", "SesameSeed", "Sesame42\0", &format!("aA1{}", "x".repeat(126))]
        {
            assert!(Password::parse(weak).is_err(), "{weak}");
        }
    }

    #[tokio::test]
    async fn a_password_matches_in_every_unicode_normalisation_form() {
        let passwords = Passwords::new(PasswordCost::OWASP, Arc::new(SystemRandom));
        let hash = passwords.hash(&Password::parse("\u{c5}ngstrom1").unwrap()).await.unwrap();
        let decomposed = Password::new_unchecked("A\u{30a}ngstrom1");
        assert_eq!(passwords.verify(&decomposed, Some(&hash)).await.unwrap(), PasswordCheck::Correct);
        assert_eq!(
            passwords.verify(&Password::new_unchecked("Angstrom1"), Some(&hash)).await.unwrap(),
            PasswordCheck::Wrong
        );
        assert_eq!(passwords.verify(&decomposed, None).await.unwrap(), PasswordCheck::Wrong);
    }

    #[tokio::test]
    async fn a_hash_with_weaker_parameters_is_outdated() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let hash = weak.hash_password_with_salt(b"Sesame42", b"sixteen bytes!!!").unwrap().to_string();
        let passwords = Passwords::new(PasswordCost::OWASP, Arc::new(SystemRandom));
        let check = passwords.verify(&Password::new_unchecked("Sesame42"), Some(&SecretString::from(hash))).await;
        assert_eq!(check.unwrap(), PasswordCheck::CorrectButOutdated);
    }
}
