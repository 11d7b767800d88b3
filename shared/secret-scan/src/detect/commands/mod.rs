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
    rules::{CommandRule, KeywordGroups},
    text::{Match, Text},
};

/// The rules of `rules/commands.toml`.
pub(super) struct Commands;

impl Detector for Commands {
    fn wakes(&self) -> KeywordGroups {
        KeywordGroups::COMMANDS
    }

    fn find<'t>(&self, text: &Text<'t>) -> Option<Match<'t>> {
        let mut line = Line::new(text.all);
        text.hits(KeywordGroups::COMMANDS).find_map(|hit| {
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
            rules.iter().find_map(|rule| Some(Match::new(rule.id(), parse(*rule, &command)?)))
        })
    }
}

/// The password of `command`, going by `rule`.
fn parse<'t>(rule: CommandRule, command: &Command<'t>) -> Option<&'t str> {
    let parser = match rule {
        CommandRule::RedisAuth => servers::redis_auth,
        CommandRule::RedisSetuser => servers::redis_setuser,
        CommandRule::RedisRequirepass => servers::redis_requirepass,
        CommandRule::Db2Connect => servers::db2_connect,
        CommandRule::OracleConnect => servers::oracle_connect,
        CommandRule::TeradataLogon => servers::teradata_logon,
        CommandRule::SqlplusLogin => shells::sqlplus,
        CommandRule::OracleUserid => shells::oracle_userid,
        CommandRule::PgpassLine => shells::pgpass,
        CommandRule::NetUse => shells::net_use,
        CommandRule::Chpasswd => shells::chpasswd,
        CommandRule::Htpasswd => shells::htpasswd,
        CommandRule::AuthVariable => shells::auth_variable,
        CommandRule::SecureString => shells::secure_string,
        CommandRule::PipedPassword => shells::piped,
        CommandRule::SecretValueFlag => shells::secret_value_flag,
        CommandRule::Openrowset => calls::openrowset,
        CommandRule::ClickhouseStorage => calls::storage,
        CommandRule::ClickhouseRedis => calls::redis,
        CommandRule::ClickhouseEncrypt => calls::encrypt,
        CommandRule::SqlserverProcedure => calls::procedure,
        CommandRule::LoginNote => logins::login,
        CommandRule::AccountNote => logins::account,
        CommandRule::AsPasswordNote => logins::as_password,
    };
    parser(command)
}
