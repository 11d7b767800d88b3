//! Command lines with a password in an option: `mysql -psecret`, `curl -u user:secret`; and what is typed at the prompt of a
//! server: `AUTH secret`, `CONNECT TO shop USER ada USING secret`.
//!
//! Options that spell the word out (`--password=…`) and environment variables (`PGPASSWORD=…`)
//! are found by `pairs`.

use super::{console, shell, trigger, value};

/// Takes the password attached to `-p`.
const ATTACHED: u8 = 1;
/// Takes the password as the word after `-p`.
const SEPARATE: u8 = 2;
/// `docker`, of which only `docker login` takes a password.
const DOCKER: u8 = 4;
const LOGIN: u8 = 8;
/// Takes the password after `-a`.
const REDIS: u8 = 16;
/// Takes `user:password` after `-u`.
const CURL: u8 = 32;

/// Takes the password after `-P`, or attached to it.
const MSSQL: u8 = 64;

/// Takes the password after `-w`.
const LDAP: u8 = 128;

/// What a word on a command line says about the options that follow.
fn program(word: &str) -> u8 {
    match word {
        // They take both.
        "7z" | "7za" | "mycli" | "mongodump" | "mongorestore" | "mongoexport" | "mongoimport" | "mongosh" | "mongo" => {
            ATTACHED | SEPARATE
        }
        "mysql" | "mysqldump" | "mysqladmin" | "mysqlimport" | "mysqlsh" | "mysqlcheck" | "mysqlpump" | "mariadb"
        | "mariadb-dump" | "rar" | "unrar" => ATTACHED,
        "sshpass" => ATTACHED | SEPARATE,
        "az" | "oc" | "psexec" | "rdesktop" | "twine" | "ncftpput" | "ncftpget" | "sqlline" | "hdbsql" | "cqlsh"
        | "cypher-shell" | "snowsql" | "beeline" | "exaplus" | "mongostat" => SEPARATE,
        "docker" => DOCKER,
        "login" => LOGIN,
        "redis-cli" => REDIS,
        "sqlcmd" | "bcp" | "osql" | "isql" | "mssql-cli" | "CONNECT" | "zip" | "unzip" | "tsql" | "mosquitto_pub"
        | "mosquitto_sub" | "ipmitool" => MSSQL,
        "ldapsearch" | "ldapmodify" | "ldapadd" | "ldapwhoami" | "vsql" => LDAP,
        "curl" | "wget" | "http" | "https" | "xh" => CURL,
        _ => 0,
    }
}

/// The programs named on the line so far. Every word is looked at once.
struct Line<'a> {
    text: &'a str,
    at: usize,
    programs: u8,
}

impl Line<'_> {
    /// Reads on up to a position, which is not before the last one.
    fn read_to(&mut self, to: usize) -> u8 {
        let new = self.text.get(self.at..to).unwrap_or_default();
        let line = new.rsplit(['\n', ';', '|']).next().unwrap_or(new);
        if line.len() < new.len() {
            self.programs = 0;
        }
        let breaks = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '(' | '/' | '$');
        self.programs |= line.split(breaks).fold(0, |all, word| all | program(word));
        self.at = to.max(self.at);
        self.programs
    }
}

/// Whether a command line in `text` carries a password.
pub(super) fn has_password(text: &str) -> bool {
    let mut line = Line { text, at: 0, programs: 0 };
    trigger::hits(text).filter(|(_, family)| family & trigger::COMMAND != 0).any(|(at, _)| {
        let rest = &text[at..];
        let programs = line.read_to(at);
        if let Some(value) = rest.strip_prefix(" -pw ") {
            // PuTTY's programs, `nzsql`
            is_secret(first_word(value))
        } else if let Some(value) = rest.strip_prefix(" -p") {
            dash_p(programs, value)
        } else if let Some(value) = rest.strip_prefix(" -P") {
            programs & MSSQL != 0 && is_secret(first_word(value.trim_start_matches(' ')))
        } else if let Some(value) = rest.strip_prefix(" -w ") {
            programs & LDAP != 0 && is_secret(first_word(value))
        } else if let Some(value) = rest.strip_prefix(" -a ") {
            programs & REDIS != 0 && is_secret(first_word(value))
                || programs & CURL != 0 && is_login(first_word(value), ':')
        } else if let Some(value) = dash_u(rest) {
            programs & CURL != 0 && is_login(first_word(value.trim_start_matches([' ', '='])), ':')
        } else if let Some(value) = rest.strip_prefix("sqlplus ") {
            let login = value.split(' ').take(4).find(|word| !word.starts_with('-'));
            login.is_some_and(|word| shell::is_oracle_login(word) && !word.contains(".sql"))
        } else if let Some(value) = ["impdp ", "expdp "].iter().find_map(|name| rest.strip_prefix(name)) {
            is_login(first_word(value), '/')
        } else if !rest.starts_with(':') {
            console::has_password(&text[..at], rest)
        } else {
            rest.starts_with(":5432:") && is_pgpass(&text[..at], first_word(rest))
        }
    })
}

/// What follows `-u` or `--user`.
fn dash_u(rest: &str) -> Option<&str> {
    let long = || rest.strip_prefix("--user").filter(|value| value.starts_with([' ', '=']));
    let proxy = || rest.strip_prefix("-user").filter(|value| value.starts_with([' ', '=']));
    rest.strip_prefix(" -u").or_else(|| rest.strip_prefix(" -U")).or_else(long).or_else(proxy)
}

pub(super) fn first_word(text: &str) -> &str {
    let text = text.trim_start_matches(['\'', '"']);
    let end = text
        .bytes()
        .take(200)
        .position(|b| b.is_ascii_whitespace() || matches!(b, b'\'' | b'"' | b'`' | b')' | b';'))
        .unwrap_or(text.len().min(200));
    text.get(..end).unwrap_or_default()
}

fn dash_p(programs: u8, value: &str) -> bool {
    let Some(separate) = value.strip_prefix(' ') else {
        return programs & ATTACHED != 0 && is_secret(first_word(value));
    };
    let word = first_word(separate.trim_start_matches(' '));
    let takes = programs & SEPARATE != 0 || programs & DOCKER != 0 && programs & LOGIN != 0;
    takes && is_secret(word)
}

pub(super) fn is_secret(word: &str) -> bool {
    !word.starts_with('-') && !value::is_placeholder(word)
}

pub(super) fn is_login(word: &str, colon: char) -> bool {
    word.split_once(colon).is_some_and(|(user, password)| {
        let password = if colon == '/' { password.split('@').next().unwrap_or_default() } else { password };
        !user.is_empty() && !password.starts_with('/') && !value::is_placeholder(password)
    })
}

/// A line of a `.pgpass` file: `host:5432:database:user:password`.
fn is_pgpass(before: &str, rest: &str) -> bool {
    let host = before.bytes().next_back().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'*');
    let fields: Vec<&str> = rest.trim_start_matches(':').splitn(4, ':').collect();
    host && fields.len() == 4 && fields.iter().all(|field| !field.is_empty()) && !value::is_placeholder(fields[3])
}
