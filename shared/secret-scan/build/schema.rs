//! Entries of the rule files. Every file explains its entries in its first lines.

use std::{collections::HashSet, error::Error, fs, path::Path};

use serde::Deserialize;

/// The entries of all files, in the order of the files' names.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rules {
    pub(crate) token: Vec<Token>,
    pub(crate) parser: Vec<Parser>,
    pub(crate) flag: Vec<Flag>,
    pub(crate) command: Vec<Command>,
    pub(crate) function: Vec<Function>,
    pub(crate) statement: Vec<Statement>,
    pub(crate) name: Vec<Name>,
    pub(crate) words: Vec<Words>,
}

/// Fields of every entry. Only the tests run the examples.
#[derive(Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) sentence: String,
    #[serde(default)]
    pub(crate) keywords: Vec<String>,
    #[serde(default)]
    pub(crate) refuse: Vec<String>,
    #[serde(default)]
    pub(crate) pass: Vec<String>,
    /// Fields that no entry has.
    #[serde(flatten)]
    unknown: toml::Table,
}

/// Format of a token.
#[derive(Deserialize)]
pub(crate) struct Token {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) pattern: String,
    #[serde(default = "yes")]
    pub(crate) digit: bool,
    #[serde(default = "yes")]
    pub(crate) distinct: bool,
    #[serde(default = "yes")]
    pub(crate) word_start: bool,
    #[serde(default)]
    pub(crate) whole_word: bool,
}

/// Rule that is a parser in Rust.
#[derive(Deserialize)]
pub(crate) struct Parser {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    /// The detector that the keywords wake.
    pub(crate) detector: Option<Detector>,
}

/// Detector of texts.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Detector {
    Addresses,
    Keys,
    Tokens,
    Statements,
}

/// Place of the password of a flag.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FlagValue {
    Attached,
    Next,
    Either,
    Login,
}

/// Kind of secret that a name states.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecretKind {
    Password,
    Passphrase,
    Secret,
    Credentials,
    Token,
}

/// Flag of a command line.
#[derive(Deserialize)]
pub(crate) struct Flag {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) value: FlagValue,
    /// None for any program.
    pub(crate) programs: Option<Vec<String>>,
    pub(crate) subcommand: Option<String>,
}

/// Command that is a parser in Rust.
#[derive(Deserialize)]
pub(crate) struct Command {
    #[serde(flatten)]
    pub(crate) entry: Entry,
}

/// Function of which an argument is a secret.
#[derive(Deserialize)]
pub(crate) struct Function {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) names: Vec<String>,
    pub(crate) argument: u32,
    #[serde(default)]
    pub(crate) method: bool,
}

/// Statement in which a literal is a secret.
#[derive(Deserialize)]
pub(crate) struct Statement {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) begins: Vec<String>,
    #[serde(default)]
    pub(crate) before: Vec<String>,
    #[serde(default)]
    pub(crate) assigns: Vec<String>,
}

/// Words that name a secret.
#[derive(Deserialize)]
pub(crate) struct Name {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) secret: SecretKind,
    pub(crate) words: Vec<String>,
}

/// List of words with one meaning.
#[derive(Deserialize)]
pub(crate) struct Words {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) words: Vec<String>,
}

fn yes() -> bool {
    true
}

impl Rules {
    /// The entries of all kinds, in the order of their numbers.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        (self.token.iter().map(|rule| &rule.entry))
            .chain(self.parser.iter().map(|rule| &rule.entry))
            .chain(self.flag.iter().map(|rule| &rule.entry))
            .chain(self.command.iter().map(|rule| &rule.entry))
            .chain(self.function.iter().map(|rule| &rule.entry))
            .chain(self.statement.iter().map(|rule| &rule.entry))
            .chain(self.lists())
    }

    /// The entries that are lists of words.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &Entry> {
        self.name.iter().map(|rule| &rule.entry).chain(self.words.iter().map(|rule| &rule.entry))
    }

    fn append(&mut self, mut file: Self) {
        self.token.append(&mut file.token);
        self.parser.append(&mut file.parser);
        self.flag.append(&mut file.flag);
        self.command.append(&mut file.command);
        self.function.append(&mut file.function);
        self.statement.append(&mut file.statement);
        self.name.append(&mut file.name);
        self.words.append(&mut file.words);
    }
}

/// Reads all rule files in `folder`.
///
/// # Errors
/// When a file or an entry is invalid. The text names the file or the entry.
pub(crate) fn read(folder: &Path) -> Result<Rules, Box<dyn Error>> {
    let mut files = fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    files.sort();
    let mut rules = Rules::default();
    for file in files {
        let text = fs::read_to_string(&file)?;
        rules.append(toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?);
    }
    let mut ids = HashSet::new();
    for entry in rules.entries() {
        if !ids.insert(entry.id.as_str()) {
            return Err(format!("{}: two entries have this id", entry.id).into());
        }
        check(entry)?;
    }
    let lists: HashSet<&str> = rules.lists().map(|entry| entry.id.as_str()).collect();
    if let Some(entry) = rules.entries().find(|entry| entry.refuse.is_empty() && !lists.contains(entry.id.as_str())) {
        return Err(format!("{}: `refuse` needs an example that the rule finds", entry.id).into());
    }
    Ok(rules)
}

/// Checks what all entries have.
fn check(entry: &Entry) -> Result<(), String> {
    let Entry { id, keywords, refuse, pass, unknown, .. } = entry;
    if let Some(field) = unknown.keys().next() {
        return Err(format!("{id}: unknown field `{field}`"));
    }
    if refuse.is_empty() && pass.is_empty() {
        return Err(format!("{id}: `refuse` or `pass` needs an example"));
    }
    if keywords.iter().any(String::is_empty) {
        return Err(format!("{id}: a keyword is empty"));
    }
    Ok(())
}
