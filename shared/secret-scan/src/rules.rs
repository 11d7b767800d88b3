//! The rules, and the static tables that the build script makes of `rules/*.toml`.

/// Rule of the scanner, as its entry in `rules/*.toml` describes it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Unique name in kebab case, such as `github-token`.
    pub id: &'static str,
    /// Part of a sentence that a person can act on, to follow the path of a field: `holds a GitHub access token`.
    pub sentence: &'static str,
}

/// Returns all rules, for documentation and statistics.
#[must_use]
pub fn rules() -> &'static [Rule] {
    &RULES
}

/// Number of a rule in [`RULES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RuleId(u16);

impl RuleId {
    pub(crate) fn rule(self) -> &'static Rule {
        &RULES[usize::from(self.0)]
    }
}

/// Kind of secret that a name states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretKind {
    /// Password of any kind.
    Password,
    /// Passphrase of a key, or a recovery phrase.
    Passphrase,
    /// Private key, including the SSH key of a connection.
    PrivateKey,
    /// Access key, API key, or encryption key.
    Key,
    /// Token, session or authorization header.
    Token,
    /// Something called a secret.
    Secret,
    /// Set of credentials.
    Credentials,
}

/// Groups of keywords, as bits: which detectors a keyword concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeywordGroups(pub(crate) u8);

impl KeywordGroups {
    /// Words that name a secret, such as `pass` or `token`.
    pub(crate) const NAMES: Self = Self(1);
    /// What may be `user:password@host`.
    pub(crate) const ADDRESSES: Self = Self(2);
    /// First line of a PEM block or another key file.
    pub(crate) const KEYS: Self = Self(4);
    /// Prefix of a token.
    pub(crate) const TOKENS: Self = Self(8);
    /// Command lines and notes.
    pub(crate) const COMMANDS: Self = Self(16);
    /// Statements in which no word needs to name a secret.
    pub(crate) const STATEMENTS: Self = Self(32);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Text that the first pass looks for, in lower case.
pub(crate) struct Keyword {
    pub(crate) text: &'static str,
    pub(crate) wakes: KeywordGroups,
    /// Numbers in [`TOKENS`].
    pub(crate) tokens: &'static [u16],
    /// Rules of parsers that look at the keyword.
    pub(crate) parsers: &'static [RuleId],
    /// Rules of commands that look at the keyword.
    pub(crate) commands: &'static [CommandRule],
}

/// Format of a token, for one keyword.
pub(crate) struct TokenFormat {
    pub(crate) rule: RuleId,
    /// Steps of the pattern before the keyword.
    pub(crate) before: &'static [Step],
    /// Steps of the pattern from the keyword on.
    pub(crate) from: &'static [Step],
    /// A digit is needed behind the keyword: a long token without one is a name.
    pub(crate) digit: bool,
    /// Five different characters are needed behind the keyword: `xxxxxxxx` is a mask.
    pub(crate) distinct: bool,
    /// No letter or digit stands before the token.
    pub(crate) word_start: bool,
    /// No letter or digit follows the token.
    pub(crate) whole_word: bool,
}

/// One character or character class of a pattern, repeated.
pub(crate) struct Step {
    /// Bit `n` is set if the step accepts the ASCII character `n`.
    pub(crate) accepts: u128,
    pub(crate) min: u16,
    pub(crate) max: u16,
}

impl CommandRule {
    pub(crate) const fn id(self) -> RuleId {
        RuleId(self as u16)
    }
}

/// Flag of a command line that takes a password.
pub(crate) struct Flag {
    pub(crate) rule: RuleId,
    pub(crate) spellings: &'static [&'static str],
    pub(crate) value: FlagValue,
    /// Bits of the program, and of a subcommand, that have to come before the flag; see [`PROGRAMS`].
    pub(crate) needs: u64,
}

/// Place of the password of a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlagValue {
    /// `-psecret`
    Attached,
    /// `-p secret`
    Next,
    /// `-psecret` or `-p secret`
    Either,
    /// `-u user:secret`, also attached
    Login,
}

/// Argument of a function that is a secret.
pub(crate) struct SecretArgument {
    pub(crate) rule: RuleId,
    /// Number of the argument, starting at 0.
    pub(crate) argument: u32,
    /// Only behind a dot.
    pub(crate) method: bool,
}

/// Statement in which a literal is a secret.
pub(crate) struct StatementRule {
    pub(crate) rule: RuleId,
    /// First word, and second word if it matters.
    pub(crate) begins: &'static [(&'static str, &'static str)],
    /// Words right before the literal; `=` is the operator.
    pub(crate) before: &'static [&'static str],
    /// Settings that the literal is assigned to.
    pub(crate) assigns: &'static [&'static str],
}

/// List of words.
pub(crate) struct Words(phf::Set<&'static str>);

impl Words {
    pub(crate) fn contains(&self, word: &str) -> bool {
        self.0.contains(word)
    }

    /// Like [`Words::contains`], without regard to case. Words of more than 32 bytes are in no list.
    pub(crate) fn contains_any_case(&self, word: &str) -> bool {
        let mut buffer = [0; 32];
        lower(word, &mut buffer).is_some_and(|word| self.contains(word))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }
}

/// Returns `word` in lower case, or None if it is longer than the buffer.
pub(crate) fn lower<'b>(word: &str, buffer: &'b mut [u8; 32]) -> Option<&'b str> {
    let lower = buffer.get_mut(..word.len())?;
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).ok()
}

include!(concat!(env!("OUT_DIR"), "/tables.rs"));
