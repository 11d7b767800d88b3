//! What is typed at the prompt of a server, and carries a password without a name or an option.

use super::{
    around::{head, line_before},
    command, notes, value,
};

/// How far a command is followed, in bytes.
const LINE: usize = 1024;

/// Whether the command that begins with `rest`, after the text `before`, carries a password.
pub(super) fn has_password(before: &str, rest: &str) -> bool {
    let line = head(rest, LINE).lines().next().unwrap_or_default();
    if line.starts_with(" as the password") || line.starts_with(" as password") {
        let looks = |word: &str| (value::is_opaque(word) || value::is_coined(word)) && is_secret(word);
        return before.split_whitespace().next_back().is_some_and(looks);
    }
    let line = line.trim_start();
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    let name = first.split_inclusive('=').next().unwrap_or_default().split(['(', ':']).next().unwrap_or_default();
    let arguments = line.get(name.len()..).unwrap_or_default();
    match name {
        // Redis: `AUTH password`, `AUTH user password`.
        "auth" if begins_line(before) => {
            let words: Vec<&str> = words.collect();
            // In capitals it is no word of a sentence.
            let typed = |word: &str| line.starts_with("AUTH ") && !value::is_status_word(word);
            let password = |word: &&str| (value::is_opaque(word) || typed(word)) && is_secret(word);
            words.len() <= 2 && words.last().is_some_and(password)
        }
        // A comment that is nothing but `ada / password`
        "/" => notes::names_account(before) && words.next().is_some_and(notes::is_password),
        // `HELLO 3 AUTH user password`, `MIGRATE … AUTH password`, `MIGRATE … AUTH2 user password`
        "auth" if begins_with(before, "hello") => words.nth(1).is_some_and(is_secret),
        "auth" if begins_with(before, "migrate") => words.next().is_some_and(is_secret),
        "auth2" if begins_with(before, "migrate") => words.nth(1).is_some_and(is_secret),
        // `net use X: \\\\server\\share password /user:name`
        "net" => is_net_use(arguments) || is_net_user(arguments),
        // `sqlldr userid=user/password`, `rman target user/password`, `exp user/password file=…`
        "userid=" | "sqlldr" => is_oracle_login(arguments),
        "target" => begins_with(before, "rman") && is_oracle_login(arguments),
        "exp" => begins_line(before) && line.contains('=') && is_oracle_login(arguments),
        // `echo user:password | chpasswd`, `htpasswd -b file user password`
        "chpasswd" => line_before(before)
            .split_whitespace()
            .rev()
            .skip(1)
            .take(2)
            .any(|word| command::is_login(command::first_word(word), ':')),
        "htpasswd" => {
            words.skip_while(|word| !(word.starts_with('-') && word.contains('b'))).nth(3).is_some_and(is_secret)
        }
        // `ACL SETUSER user on >password`
        "setuser" => words.filter_map(|word| word.strip_prefix('>')).any(is_secret),
        // `CONFIG SET requirepass password`
        "requirepass" | "masterauth" => {
            (last_word_is(before, "set") || begins_line(before)) && words.next().is_some_and(is_secret)
        }
        // Db2: `CONNECT TO database USER user USING password`
        "using" => is_connect(before) && words.next().is_some_and(is_secret),
        // SQL*Plus: `CONNECT user/password@database`
        "connect" | "conn" if begins_line(before) => words.next().is_some_and(|word| {
            command::is_login(word, '/')
                && !is_alternative(word)
                && (word.contains('@') || value::is_opaque(word) || ends_connect(words.next()))
        }),
        // Teradata: `.LOGON server/user,password`
        "logon" => words.next().is_some_and(|word| word.split_once(',').is_some_and(|(_, word)| is_secret(word))),
        "login" | "logins" | "log" | "sign" | "creds" | "credentials" | "zugangsdaten" | "zugang" | "identifiants"
        | "anmelden" | "anmeldung" | "einloggen" | "acceso" | "accesso" => notes::is_login(arguments),
        // `OPENROWSET('provider', 'server';'user';'password', …)`
        "openrowset" => arguments.split(';').nth(2).and_then(|rest| literal(rest, 0)).is_some_and(is_text),
        // ClickHouse: `s3('url', 'key', 'secret', …)`, `encrypt('aes-…', text, 'key')`
        // `NEO4J_AUTH=neo4j/password`
        "_auth=" if before.ends_with("REDISCLI") || before.ends_with("REDIS") => is_secret(arguments),
        "_auth=" => command::is_login(command::first_word(arguments), '/'),
        // `ConvertTo-SecureString 'password' -AsPlainText`
        "securestring" => line.contains("-AsPlainText") && words.next().is_some_and(is_secret),
        // `echo password | docker login --password-stdin`
        "-stdin" | "sudo" | "secret" | "luksopen" => is_piped(before),
        // `az keyvault secret set --name db --value password`, `aws secretsmanager create-secret --secret-string password`
        "--value" | "--secret-string" => {
            let lower = line_before(before).to_ascii_lowercase();
            (lower.contains("secret") || lower.contains("securestring")) && words.next().is_some_and(is_secret)
        }
        "s3" | "gcs" | "oss" | "cosn" => literal(arguments, 2).is_some_and(is_bucket_key),
        "s3cluster" => literal(arguments, 3).is_some_and(is_bucket_key),
        "azureblobstorage" => literal(arguments, 4).is_some_and(|text| value::is_long_opaque(text) && is_text(text)),
        // The engine leaves out what the function says of the columns.
        "redis" => literal(arguments, if before.trim_end().ends_with('=') { 2 } else { 4 }).is_some_and(is_text),
        "crypt" => literal(arguments, 2).is_some_and(is_text),
        name => PROCEDURES.iter().any(|(known, at)| *known == name && literal(arguments, *at).is_some_and(is_text)),
    }
}

/// Whether a word that `before` echoes goes into the program that comes now.
fn is_piped(before: &str) -> bool {
    let Some((left, _)) = line_before(before).rsplit_once('|') else {
        return false;
    };
    let mut words = left.rsplit(['|', ';']).next().unwrap_or_default().split_whitespace();
    let echo = words.next().is_some_and(|word| matches!(word, "echo" | "printf"));
    echo && words.next_back().is_some_and(is_secret)
}

/// The secret of a bucket: long, and no list of columns (`a Int32`), format or compression.
fn is_bucket_key(text: &str) -> bool {
    text.len() >= 12 && !text.contains([' ', '(', ',']) && value::is_opaque(text) && is_text(text)
}

/// `net use` takes the password after the share.
fn is_net_use(after: &str) -> bool {
    let Some(rest) = after.trim_start().strip_prefix("use ") else {
        return false;
    };
    let mut words = rest.split_whitespace().skip_while(|word| !word.starts_with("\\\\"));
    words.next();
    words.take(6).any(|word| {
        let word = word.trim_end_matches(['\'', '"', ';', ')']);
        !word.starts_with(['/', '-', '>', '|', '&']) && word.len() > 3 && is_secret(word)
    })
}

/// `net user ada password /add`
fn is_net_user(after: &str) -> bool {
    let mut words = after.split_whitespace();
    words.next() == Some("user") && words.nth(1).is_some_and(|word| !word.starts_with(['/', '*']) && is_secret(word))
}

/// What may follow `CONNECT user/password` on its line.
fn ends_connect(next: Option<&str>) -> bool {
    next.is_none_or(|next| next.eq_ignore_ascii_case("as"))
}

/// "and/or", "read/write" are no logins.
pub(super) fn is_alternative(word: &str) -> bool {
    let first = word.split('/').next().unwrap_or_default();
    ["and", "read", "client", "tcp", "input", "start", "on", "yes", "in"]
        .iter()
        .any(|known| first.eq_ignore_ascii_case(known))
        || !word.contains('@') && word.matches('/').count() != 1
}

fn is_oracle_login(after: &str) -> bool {
    let word = after.trim_start_matches(['=', ' ', '\'', '"']).split_whitespace().next().unwrap_or_default();
    command::is_login(word, '/') && !word.starts_with(['.', '~']) && !is_alternative(word)
}

fn is_text(literal: &str) -> bool {
    !value::is_placeholder(literal)
}

/// Procedures of SQL Server that are called without brackets, and which argument is the password.
const PROCEDURES: [(&str, usize); 7] = [
    ("sp_addlogin", 1),
    ("sp_password", 1),
    ("sp_addlinkedsrvlogin", 4),
    ("sp_addremotelogin", 2),
    ("sp_addapprole", 1),
    ("sp_setapprole", 1),
    ("sp_change_users_login", 3),
];

fn is_secret(word: &str) -> bool {
    command::is_secret(command::first_word(word))
}

/// The beginning of the statement, or of the line, that goes on after `before`.
fn line(before: &str) -> &str {
    line_before(before).rsplit(';').next().unwrap_or_default()
}

/// Whether the line that `before` ends with begins with `word`.
fn begins_with(before: &str, word: &str) -> bool {
    line(before).split_whitespace().next().is_some_and(|first| first.eq_ignore_ascii_case(word))
}

fn begins_line(before: &str) -> bool {
    line(before).trim().is_empty()
}

fn last_word_is(before: &str, word: &str) -> bool {
    before.split_whitespace().next_back().is_some_and(|last| last.eq_ignore_ascii_case(word))
}

fn is_connect(before: &str) -> bool {
    let words: Vec<String> = line(before).split_whitespace().take(6).map(str::to_ascii_lowercase).collect();
    words.iter().take(2).any(|word| ["connect", "attach"].contains(&word.trim_matches('"')))
        && words.iter().any(|word| word == "user")
}

/// The argument `index` of a list that is separated by commas, if it is a text in quotes.
fn literal(arguments: &str, index: usize) -> Option<&str> {
    let mut quoted = false;
    let comma = |c: char| {
        quoted ^= c == '\'';
        c == ',' && !quoted
    };
    let argument = arguments.split(comma).nth(index)?.trim_start_matches(['(', ' ']);
    // `@new = '…'`
    let named = argument.split_once('=').filter(|_| argument.starts_with('@'));
    let argument = named.map_or(argument, |(_, value)| value.trim_start());
    argument.strip_prefix(['N', 'n']).unwrap_or(argument).strip_prefix('\'')?.split('\'').next()
}
