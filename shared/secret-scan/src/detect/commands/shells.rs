//! Programs of a shell that take a password by its place, or that another program hands it to.

use super::command::{Command, first_word, login, oracle_login, secret};
use crate::{text::line_before, value::is_placeholder};

/// `sqlplus user/password@database`, `impdp user/password`
pub(super) fn sqlplus<'t>(command: &Command<'t>) -> Option<&'t str> {
    if command.name != "sqlplus" {
        return login(first_word(command.words().next()?), '/');
    }
    let word = command.line.split(' ').skip(1).take(4).find(|word| !word.starts_with('-'))?;
    oracle_login(word).filter(|_| !word.contains(".sql"))
}

/// `sqlldr userid=user/password`, `rman target user/password`, `exp user/password file=…`
pub(super) fn oracle_userid<'t>(command: &Command<'t>) -> Option<&'t str> {
    let takes = match command.name.as_str() {
        "userid=" | "sqlldr" => true,
        "target" => command.statement_begins_with("rman"),
        "exp" => command.begins_line() && command.line.contains('='),
        _ => false,
    };
    oracle_login(command.arguments()).filter(|_| takes)
}

/// A line of a password file of PostgreSQL: `host:5432:database:user:password`
pub(super) fn pgpass<'t>(command: &Command<'t>) -> Option<&'t str> {
    let host = command.before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '*');
    let mut fields = first_word(command.line).trim_start_matches(':').splitn(4, ':');
    let named = fields.by_ref().take(3).filter(|field| !field.is_empty()).count() == 3;
    fields.next().filter(|password| host && named && !is_placeholder(password))
}

/// `net use X: \\server\share password /user:name`, `net user name password /add`
pub(super) fn net_use<'t>(command: &Command<'t>) -> Option<&'t str> {
    let mut words = command.words();
    if words.next() == Some("user") {
        return words.nth(1).filter(|word| !word.starts_with(['/', '*'])).and_then(secret);
    }
    let rest = command.arguments().trim_start().strip_prefix("use ")?;
    let words = rest.split_whitespace().skip_while(|word| !word.starts_with("\\\\")).skip(1).take(6);
    words.map(|word| word.trim_end_matches(['\'', '"', ';', ')'])).find_map(|word| {
        let plain = !word.starts_with(['/', '-', '>', '|', '&']) && word.len() > 3;
        secret(word).filter(|_| plain)
    })
}

/// `echo user:password | chpasswd`
pub(super) fn chpasswd<'t>(command: &Command<'t>) -> Option<&'t str> {
    let piped = line_before(command.before).split_whitespace().rev().skip(1).take(2);
    piped.map(first_word).find_map(|word| login(word, ':')).filter(|_| command.name == "chpasswd")
}

/// `htpasswd -b file user password`
pub(super) fn htpasswd<'t>(command: &Command<'t>) -> Option<&'t str> {
    let is_batch = |word: &&str| word.starts_with('-') && word.contains('b');
    command.words().skip_while(|word| !is_batch(word)).nth(3).and_then(secret)
}

/// `REDISCLI_AUTH=password`, `NEO4J_AUTH=neo4j/password`
pub(super) fn auth_variable<'t>(command: &Command<'t>) -> Option<&'t str> {
    if command.before.ends_with("REDISCLI") || command.before.ends_with("REDIS") {
        return secret(command.arguments());
    }
    login(first_word(command.arguments()), '/')
}

/// `ConvertTo-SecureString 'password' -AsPlainText`
pub(super) fn secure_string<'t>(command: &Command<'t>) -> Option<&'t str> {
    let word = command.words().find(|word| !word.eq_ignore_ascii_case("-string"));
    word.filter(|_| command.line.contains("-AsPlainText")).and_then(secret)
}

/// `echo password | docker login --password-stdin`
pub(super) fn piped<'t>(command: &Command<'t>) -> Option<&'t str> {
    let (left, _) = line_before(command.before).rsplit_once('|')?;
    let mut words = left.rsplit(['|', ';']).next().unwrap_or_default().split_whitespace();
    let echo = words.next().is_some_and(|word| matches!(word, "echo" | "printf"));
    words.next_back().filter(|_| echo).and_then(secret)
}

/// `az keyvault secret set --name db --value password`
pub(super) fn secret_value_flag<'t>(command: &Command<'t>) -> Option<&'t str> {
    let lower = line_before(command.before).to_ascii_lowercase();
    let stores = lower.contains("secret") || lower.contains("securestring");
    command.words().next().filter(|_| stores).and_then(secret)
}
