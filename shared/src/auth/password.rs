use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Params};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use super::argon2id::{Argon2id, PasswordCost};
use crate::clock::{Random, random_bytes};
use crate::models::{EmailAddress, InvalidValue, User, Username, caseless_key, limits};

/// Maximum number of concurrent hashes. Each uses 19 MiB and one core.
const CONCURRENT_HASHES: usize = 2;

/// Name of the product, case-folded, letters only.
const PRODUCT: &str = "sqlstudio";

/// Shortest name, in letters and digits, that no password of its owner may contain.
const MIN_NAME_CHARS: usize = 4;

/// A password: 8 to 128 characters of any kind except NUL (OWASP ASVS 5.0 §6.2, NIST SP 800-63B-4 §3.1.1.2).
#[derive(Debug, Clone)]
pub struct Password(SecretString);

/// Names of the owner of a new password, as far as they are known.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// User name.
    pub username: Option<&'a Username>,
    /// Email address.
    pub email: Option<&'a EmailAddress>,
}

impl Owner<'_> {
    /// An owner whose names are unknown.
    pub const UNKNOWN: Self = Self { username: None, email: None };
}

impl<'a> From<&'a User> for Owner<'a> {
    fn from(user: &'a User) -> Self {
        Self { username: Some(&user.username), email: Some(&user.email) }
    }
}

impl Password {
    /// Checks a new password of `owner`.
    ///
    /// # Errors
    /// Fails with the first rule that `text` violates: it has another length, is common, or contains a name of its owner or of the
    /// product. Case, white space and punctuation hide no name.
    pub fn parse(text: &str, owner: Owner<'_>) -> Result<Self, InvalidValue> {
        let (min, max) = (limits::PASSWORD_MIN_CHARS, limits::PASSWORD_MAX_CHARS);
        // Of the normalised text, so that two ways to type a password are equally long.
        let length = text.nfkc().take(max + 1).count();
        if !(min..=max).contains(&length) {
            return Err(InvalidValue::new(format!("must have {min} to {max} characters")));
        }
        if text.contains('\0') {
            return Err(InvalidValue::new("must not contain a NUL character"));
        }
        if common_passwords::contains(&caseless_key(text)) {
            return Err(InvalidValue::new("is one of the 100,000 most common passwords"));
        }
        if let Some(name) = contained_name(text, owner) {
            return Err(InvalidValue::new(format!("must not contain {name}")));
        }
        Ok(Self(normalise(text)))
    }

    /// Returns the password as text, normalised.
    pub fn expose(&self) -> &SecretString {
        &self.0
    }

    /// Wraps a password to be verified. Checks no rules, because others may have applied when it was set. A text of more than 4 × 128
    /// characters (the longest decomposition of a valid password) becomes the empty password, which matches no hash.
    pub fn new_unchecked(text: &str) -> Self {
        const MAX_DECOMPOSED: usize = 4 * limits::PASSWORD_MAX_CHARS;
        Self(normalise(if text.chars().nth(MAX_DECOMPOSED).is_some() { "" } else { text }))
    }
}

/// Returns the name of `owner` or of the product that `password` contains, if any.
fn contained_name(password: &str, owner: Owner<'_>) -> Option<&'static str> {
    let letters = |text: &str| caseless_key(text).chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let (address, local_part) = owner.email.map_or(("", ""), |email| (email.as_str(), email.local_part()));
    let untagged = local_part.split('+').next().unwrap_or_default();
    let names = [
        (letters(owner.username.map_or("", Username::as_str)), "the user name"),
        (letters(local_part), "the email address"),
        (letters(untagged), "the email address"),
        (letters(address), "the email address"),
        (PRODUCT.to_owned(), "the name of the product"),
    ];
    let password = letters(password);
    let is_contained = |name: &str| name.chars().count() >= MIN_NAME_CHARS && password.contains(name);
    names.into_iter().find_map(|(name, description)| is_contained(&name).then_some(description))
}

/// Applies NFKC, so that the same password typed on two systems has the same bytes (NIST SP 800-63B-4 §3.1.1.2).
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
    fn passwords_of_any_characters_are_accepted() {
        for good in [
            "Sesame42",
            "TestPassword123!",
            "correct horse battery staple",
            "пароль-надежный",
            "\t\u{1}\u{200b} \n\u{7f}~~",
            &"界".repeat(128),
        ] {
            assert!(Password::parse(good, Owner::UNKNOWN).is_ok(), "{good}");
        }
        for bad in ["Sesam42", "Sesame42\0", &"界".repeat(129), "Password1", "QWERTY123", "ｐａｓｓｗｏｒｄ１"]
        {
            assert!(Password::parse(bad, Owner::UNKNOWN).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_contains_no_name() {
        let (username, email) =
            (Username::parse("Zoë Ada").unwrap(), EmailAddress::parse("z.hopper+sql@navy.example").unwrap());
        let owner = Owner { username: Some(&username), email: Some(&email) };
        for bad in [
            "zoe\u{308}-ada 2026",
            "ZOËADAZOËADA",
            "zoe-ada 2026",
            "my-z.hopper!",
            "zHopper77",
            "SQL Studio 1",
            "1sqlstudio",
        ] {
            assert!(Password::parse(bad, owner).is_err(), "{bad}");
        }
        for good in ["ada zoe 2026", "hopper z 77", "navy.example"] {
            assert!(Password::parse(good, owner).is_ok(), "{good}");
        }
        let (username, email) = (Username::parse("ada").unwrap(), EmailAddress::parse("al@b.example").unwrap());
        let owner = Owner { username: Some(&username), email: Some(&email) };
        assert!(Password::parse("Adamant Alligator", owner).is_ok(), "names of three letters are parts of words");
        assert!(Password::parse("I am al@b.example", owner).is_err());
    }

    #[tokio::test]
    async fn a_password_matches_in_every_unicode_normalisation_form() {
        let passwords = Passwords::new(PasswordCost::OWASP, Arc::new(SystemRandom));
        let hash = passwords.hash(&Password::parse("\u{c5}ngstrom1", Owner::UNKNOWN).unwrap()).await.unwrap();
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
