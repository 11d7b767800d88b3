//! The 100,000 most common passwords of 8 or more characters, case-folded.
//!
//! `passwords.txt` holds them in bytewise order. It is the beginning of the list of 1,000,000 leaked passwords, ordered by frequency, of
//! SecLists (<https://github.com/danielmiessler/SecLists>, MIT licence, `Passwords/Common-Credentials`), without those that are shorter,
//! not ASCII, or equal to an earlier one but for case.

use std::sync::LazyLock;

static PASSWORDS: LazyLock<fst::Set<&[u8]>> = LazyLock::new(|| {
    fst::Set::new(&include_bytes!(concat!(env!("OUT_DIR"), "/passwords.fst"))[..])
        .expect("the build script has written a set")
});

/// Whether the list contains `password`, which must be case-folded. Takes time proportional to its length.
pub fn contains(password: &str) -> bool {
    PASSWORDS.contains(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_listed_passwords_are_found() {
        let listed = include_str!("../passwords.txt");
        assert_eq!(listed.lines().count(), 100_000);
        for password in listed.lines() {
            assert!(contains(password), "{password}");
            assert!(password.len() >= 8 && password == password.to_lowercase(), "{password}");
        }
        for other in ["", "password", "testpassword123!", "correct horse battery staple", "passwor", "password1\n"] {
            assert_eq!(contains(other), other == "password", "{other}");
        }
        assert!(contains("password1") && contains("qwerty123"));
    }
}
