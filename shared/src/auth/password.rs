use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Params};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use super::argon2id::{Argon2id, PasswordCost};
use crate::clock::{Random, random_bytes};
use crate::models::limits;

/// Hashes at once: each takes its 19 MiB and a core.
const CONCURRENT_HASHES: usize = 2;

/// A password that keeps the rules clients show: 8 to 128 characters, with upper case, lower case and a digit.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
    /// Checks a new password.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        let (least, most) = (limits::PASSWORD_MIN_CHARS, limits::PASSWORD_MAX_CHARS);
        if !(least..=most).contains(&length) {
            Err(format!("must have {least} to {most} characters"))
        } else if text.contains('\0') {
            Err("must not hold a NUL character".to_owned())
        } else if !text.chars().any(char::is_uppercase) {
            Err("must hold an upper-case letter".to_owned())
        } else if !text.chars().any(char::is_lowercase) {
            Err("must hold a lower-case letter".to_owned())
        } else if !text.chars().any(char::is_numeric) {
            Err("must hold a digit".to_owned())
        } else {
            Ok(Self(normalised(text)))
        }
    }

    /// A password that somebody presents for comparison, whatever rules were in force when it was chosen.
    pub fn presented(text: &str) -> Self {
        // No longer than any password can be: hashing must not be made to cost more.
        Self(normalised(&text.chars().take(limits::PASSWORD_MAX_CHARS + 1).collect::<String>()))
    }
}

/// The same password typed on two systems must be the same bytes (NIST SP 800-63B §5.1.1.2).
fn normalised(text: &str) -> SecretString {
    SecretString::from(text.nfkc().collect::<String>())
}

/// What comparing a password with a hash showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordCheck {
    /// It is another password, or there is no account.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, but its hash was made with weaker parameters than today's.
    CorrectButOutdated,
}

/// Hashes passwords with Argon2id, away from the threads that serve requests and a bounded number at a time.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    argon2: Arc<Argon2id>,
    cost: PasswordCost,
    random: Arc<dyn Random>,
    /// What is compared with where there is no account, so that both cost the same time.
    nobody: SecretString,
}

impl Passwords {
    /// Takes its salts from `random`, and hashes at `cost`.
    pub fn new(cost: PasswordCost, random: Arc<dyn Random>) -> Self {
        let (salt, hash) = ("A".repeat(22), "A".repeat(43));
        let PasswordCost { memory_kib, passes, lanes } = cost;
        let nobody = SecretString::from(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}"));
        let (permits, argon2) = (Arc::new(Semaphore::new(CONCURRENT_HASHES)), Arc::new(Argon2id::at(cost)));
        Self { permits, argon2, cost, random, nobody }
    }

    /// The PHC string of `password`, with a fresh salt.
    ///
    /// # Errors
    /// When the process is shutting down.
    pub async fn hash(&self, password: &Password) -> Result<SecretString, HashingFailed> {
        let salt: [u8; 16] = random_bytes(&*self.random);
        let (argon2, password) = (Arc::clone(&self.argon2), password.clone());
        self.run(move || {
            let hash = argon2.hash_password_with_salt(password.0.expose_secret().as_bytes(), &salt);
            hash.map(|hash| SecretString::from(hash.to_string())).map_err(|_| HashingFailed)
        })
        .await?
    }

    /// Compares `password` with the PHC string `hash`; `None` for no account takes as long and is always wrong.
    ///
    /// # Errors
    /// When the process is shutting down.
    pub async fn verify(
        &self,
        password: &Password,
        hash: Option<&SecretString>,
    ) -> Result<PasswordCheck, HashingFailed> {
        let exists = hash.is_some();
        let hash = hash.unwrap_or(&self.nobody).clone();
        let (argon2, cost, password) = (Arc::clone(&self.argon2), self.cost, password.clone());
        self.run(move || {
            let Ok(parsed) = PasswordHash::new(hash.expose_secret()) else { return PasswordCheck::Wrong };
            let right = argon2.verify_password(password.0.expose_secret().as_bytes(), &parsed).is_ok();
            match (exists && right, is_at_least(cost, &parsed)) {
                (false, _) => PasswordCheck::Wrong,
                (true, true) => PasswordCheck::Right,
                (true, false) => PasswordCheck::CorrectButOutdated,
            }
        })
        .await
    }

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

/// A password could not be hashed at all.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashingFailed;

fn is_at_least(cost: PasswordCost, hash: &PasswordHash) -> bool {
    let Ok(used) = Params::try_from(hash) else { return false };
    hash.algorithm == Algorithm::Argon2id.ident()
        && used.m_cost() >= cost.memory_kib
        && used.t_cost() >= cost.passes
        && used.p_cost() >= cost.lanes
}

#[cfg(test)]
mod tests {
    use argon2::{Argon2, Version};

    use super::*;
    use crate::clock::SystemRandom;

    #[test]
    fn the_rules_clients_show() {
        for good in ["Sesame42", "Ångström1", "Пароль123", &format!("aA1{}", "界".repeat(125))] {
            assert!(Password::parse(good).is_ok(), "{good}");
        }
        for weak in ["Sesam42", "sesame42", "SESAME42", "SesameSeed", "Sesame42\0", &format!("aA1{}", "x".repeat(126))]
        {
            assert!(Password::parse(weak).is_err(), "{weak}");
        }
    }

    #[tokio::test]
    async fn a_password_is_known_again_however_it_was_typed() {
        let passwords = Passwords::new(PasswordCost::OWASP, Arc::new(SystemRandom));
        let hash = passwords.hash(&Password::parse("\u{c5}ngstrom1").unwrap()).await.unwrap();
        let composed_otherwise = Password::presented("A\u{30a}ngstrom1");
        assert_eq!(passwords.verify(&composed_otherwise, Some(&hash)).await.unwrap(), PasswordCheck::Right);
        assert_eq!(
            passwords.verify(&Password::presented("Angstrom1"), Some(&hash)).await.unwrap(),
            PasswordCheck::Wrong
        );
        assert_eq!(passwords.verify(&composed_otherwise, None).await.unwrap(), PasswordCheck::Wrong);
    }

    #[tokio::test]
    async fn a_hash_of_weaker_parameters_is_told() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let hash = weak.hash_password_with_salt(b"Sesame42", b"sixteen bytes!!!").unwrap().to_string();
        let passwords = Passwords::new(PasswordCost::OWASP, Arc::new(SystemRandom));
        let verdict = passwords.verify(&Password::presented("Sesame42"), Some(&SecretString::from(hash))).await;
        assert_eq!(verdict.unwrap(), PasswordCheck::CorrectButOutdated);
    }
}
