//! Command lines with a password in a flag (`mysql -psecret`, `curl -u user:secret`), and what carries one by its place: at
//! the prompt of a server, in a shell, in a call, or in a note of how to log in.
//!
//! Flags that spell the word out (`--password=…`) and environment variables (`PGPASSWORD=…`)
//! are found by [`super::pairs`].

mod calls;
mod command;
mod flags;
mod logins;
mod servers;
mod shells;

use command::Command;
use flags::Line;

use super::detector::Detector;
use crate::{
    rules::{Groups, RuleId, rule},
    text::{Match, Text},
};

/// The rules of `rules/commands.toml`.
pub(super) struct Commands;

impl Detector for Commands {
    fn wakes(&self) -> Groups {
        Groups::COMMANDS
    }

    fn find<'t>(&self, text: &Text<'t>) -> Option<Match<'t>> {
        let mut line = Line::new(text.all);
        text.hits(Groups::COMMANDS).find_map(|hit| {
            text.budget.spend(1)?;
            line.read_to(hit.at());
            let (before, rest) = text.all.split_at(hit.at());
            if let Some(found) = line.flag(rest) {
                return Some(found);
            }
            let rules = hit.keyword().commands;
            if rules.is_empty() {
                return None;
            }
            text.budget.spend(1)?;
            let command = Command::new(before, rest);
            rules.iter().find_map(|rule| Some(Match::new(*rule, parse(*rule, &command)?)))
        })
    }
}

/// The password of `command`, going by `rule`.
fn parse<'t>(rule: RuleId, command: &Command<'t>) -> Option<&'t str> {
    let parser = match rule {
        rule::REDIS_AUTH => servers::redis_auth,
        rule::REDIS_SETUSER => servers::redis_setuser,
        rule::REDIS_REQUIREPASS => servers::redis_requirepass,
        rule::DB2_CONNECT => servers::db2_connect,
        rule::ORACLE_CONNECT => servers::oracle_connect,
        rule::TERADATA_LOGON => servers::teradata_logon,
        rule::SQLPLUS_LOGIN => shells::sqlplus,
        rule::ORACLE_USERID => shells::oracle_userid,
        rule::PGPASS_LINE => shells::pgpass,
        rule::NET_USE => shells::net_use,
        rule::CHPASSWD => shells::chpasswd,
        rule::HTPASSWD => shells::htpasswd,
        rule::AUTH_VARIABLE => shells::auth_variable,
        rule::SECURE_STRING => shells::secure_string,
        rule::PIPED_PASSWORD => shells::piped,
        rule::SECRET_VALUE_FLAG => shells::secret_value_flag,
        rule::OPENROWSET => calls::openrowset,
        rule::CLICKHOUSE_STORAGE => calls::storage,
        rule::CLICKHOUSE_REDIS => calls::redis,
        rule::CLICKHOUSE_ENCRYPT => calls::encrypt,
        rule::SQLSERVER_PROCEDURE => calls::procedure,
        rule::LOGIN_NOTE => logins::login,
        rule::ACCOUNT_NOTE => logins::account,
        rule::AS_PASSWORD_NOTE => logins::as_password,
        _ => return None,
    };
    parser(command)
}
