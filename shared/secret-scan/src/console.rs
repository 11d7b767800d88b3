//! What is typed at a prompt, and carries a password without a name or an option: at that of a server here, at that of a
//! shell in [`shell`], in brackets in [`positions`].

use super::{
    around::{head, line_before},
    command, notes, positions, shell, value,
};

/// How far a command is followed, in bytes.
const LINE: usize = 1024;

/// Longer than the name of any command, in bytes.
const NAME: usize = 40;

/// A command, and what stands around it.
pub(super) struct Typed<'a> {
    /// The text before it.
    pub before: &'a str,
    /// The line from the command on.
    pub line: &'a str,
    /// Its name, in lower case, up to a bracket or colon.
    pub name: String,
}

impl<'a> Typed<'a> {
    fn new(before: &'a str, rest: &'a str) -> Self {
        let line = head(rest, LINE).lines().next().unwrap_or_default().trim_start();
        let first = head(line, NAME).split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        let name = first.split_inclusive('=').next().unwrap_or_default();
        let name = name.split(['(', ':']).next().unwrap_or_default().to_owned();
        Self { before, line, name }
    }

    /// What follows the name.
    pub(super) fn arguments(&self) -> &'a str {
        self.line.get(self.name.len()..).unwrap_or_default()
    }

    /// The words that follow the first.
    pub(super) fn words(&self) -> impl Iterator<Item = &'a str> {
        self.line.split_whitespace().skip(1)
    }

    /// The beginning of the statement, or of the line, that the command stands in.
    fn statement(&self) -> &'a str {
        line_before(self.before).rsplit(';').next().unwrap_or_default()
    }

    /// Whether nothing stands before the command.
    pub(super) fn begins_line(&self) -> bool {
        self.statement().trim().is_empty()
    }

    /// Whether the statement begins with `word`.
    pub(super) fn follows(&self, word: &str) -> bool {
        self.statement().split_whitespace().next().is_some_and(|first| first.eq_ignore_ascii_case(word))
    }
}

/// Whether the command that begins with `rest`, after the text `before`, carries a password.
pub(super) fn has_password(before: &str, rest: &str) -> bool {
    let typed = Typed::new(before, rest);
    at_server(&typed) || shell::has_password(&typed) || positions::has_password(&typed)
}

/// Whether the command is one of a server, or a note of how to log in, and carries a password.
fn at_server(typed: &Typed<'_>) -> bool {
    let mut words = typed.words();
    match typed.name.as_str() {
        // "use … as the password"; in capitals it is SQL.
        "as" => {
            let looks = |word: &str| (value::is_opaque(word) || value::is_coined(word)) && is_secret(word);
            let named = ["as the password", "as password"].iter().any(|words| typed.line.starts_with(words));
            named && typed.before.split_whitespace().next_back().is_some_and(looks)
        }
        // Redis: `AUTH password`, `AUTH user password`.
        "auth" if typed.begins_line() => {
            let words: Vec<&str> = words.collect();
            // In capitals it is no word of a sentence.
            let capital = |word: &str| typed.line.starts_with("AUTH ") && !value::is_status_word(word);
            let password = |word: &&str| (value::is_opaque(word) || capital(word)) && is_secret(word);
            words.len() <= 2 && words.last().is_some_and(password)
        }
        // `HELLO 3 AUTH user password`, `MIGRATE … AUTH password`, `MIGRATE … AUTH2 user password`
        "auth" if typed.follows("hello") => words.nth(1).is_some_and(is_secret),
        "auth" if typed.follows("migrate") => words.next().is_some_and(is_secret),
        "auth2" if typed.follows("migrate") => words.nth(1).is_some_and(is_secret),
        // `ACL SETUSER user on >password`
        "setuser" => words.filter_map(|word| word.strip_prefix('>')).any(is_secret),
        // `CONFIG SET requirepass password`
        "requirepass" | "masterauth" => {
            let set = typed.before.split_whitespace().next_back().is_some_and(|last| last.eq_ignore_ascii_case("set"));
            (set || typed.begins_line()) && words.next().is_some_and(is_secret)
        }
        // Db2: `CONNECT TO database USER user USING password`
        "using" => is_connect(typed.statement()) && words.next().is_some_and(is_secret),
        // SQL*Plus: `CONNECT user/password@database`
        "connect" | "conn" if typed.begins_line() => words.next().is_some_and(|word| {
            shell::is_oracle_login(word) && (word.contains('@') || value::is_opaque(word) || ends_connect(words.next()))
        }),
        // Teradata: `.LOGON server/user,password`
        "logon" => words.next().is_some_and(|word| word.split_once(',').is_some_and(|(_, word)| is_secret(word))),
        "login" | "logins" | "log" | "sign" | "creds" | "credentials" | "zugangsdaten" | "zugang" | "identifiants"
        | "anmelden" | "anmeldung" | "einloggen" | "acceso" | "accesso" => notes::is_login(typed.arguments()),
        // `-- ada / password`
        "/" => notes::names_account(typed.before) && words.next().is_some_and(notes::is_password),
        _ => false,
    }
}

/// What may follow `CONNECT user/password` on its line.
fn ends_connect(next: Option<&str>) -> bool {
    next.is_none_or(|next| next.eq_ignore_ascii_case("as"))
}

pub(super) fn is_secret(word: &str) -> bool {
    command::is_secret(command::first_word(word))
}

/// `CONNECT TO database USER user`, `ATTACH TO instance USER user`, also behind the name of the program.
fn is_connect(statement: &str) -> bool {
    let words: Vec<String> = statement.split_whitespace().take(6).map(str::to_ascii_lowercase).collect();
    words.iter().take(2).any(|word| ["connect", "attach"].contains(&word.trim_matches('"')))
        && words.iter().any(|word| word == "user")
}
