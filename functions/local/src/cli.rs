use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use shared::config::{ConfigError, Env};
use shared::models::{DatabaseId, Timestamp, UserId};

/// Environment variables, for `--help`. `functions/README.md` describes them at length.
const VARIABLES: &str = "\
Environment variables (all are optional; functions/README.md has more about each):
  DATABASE_URL          PostgreSQL for accounts: postgres://…          [default: a file in DATA_DIR]
  DATABASE_URL_DIRECT   The same without a connection pooler, for migrate [default: DATABASE_URL]
  DATABASE_ROOT_CERTIFICATE   Authorities of its TLS certificate, in PEM, besides the public ones
  TURSO_DATABASE_URL    libSQL for sync data: libsql://…, https://…, several separated by commas,
                        each with the weight of new users: #weight=1   [default: a file in DATA_DIR]
  TURSO_AUTH_TOKEN      Token for these databases
  REDIS_URL             Redis for sessions: redis://…, rediss://…; a cluster: redis+cluster://HOST:PORT,HOST:PORT or
                        rediss+cluster://…                             [default: a file in DATA_DIR]
  DATA_DIR              Folder for all data that is on no server       [default: ./data]
  PUBLIC_URL            Base URL of links in emails                    [default: http://ADDRESS it listens on]
  PRODUCT_URL           Address of the product in emails               [default: https://sqlstudio.app]
  JWT_SECRET            Key that signs access tokens, 32 bytes or more [default: generated in DATA_DIR]
  JWT_SECRET_PREVIOUS   Key that is still accepted during rotation
  CORS_ORIGINS          Web pages that may call: origins, or localhost [default: localhost]
  TRUSTED_PROXIES       Reverse proxies: addresses, or networks such as 10.0.0.0/8 [default: none]
  CONFLICT_STRATEGY     last_write_wins, keep_both, user_choice, merge, refuse [default: last_write_wins]
  USER_BYTES            Bytes that an account may store                [default: 268435456]
  USER_ITEMS            Items that an account may store                [default: 200000]
  RATE_LIMITS           on, or off for load tests                      [default: on]
  BREACHED_PASSWORDS    on refuses passwords known from data breaches  [default: off]
  BREACHED_PASSWORDS_URL  Base URL of that list, for tests             [default: https://api.pwnedpasswords.com]
  RESEND_API_KEY        Sends emails through Resend                    [default: written to DATA_DIR/outbox]
  MAIL_FROM             Sender of these emails: SQL Studio <studio@example.com>
  RESEND_URL            Base URL of Resend, for tests                  [default: https://api.resend.com]
  METRICS_LISTEN        Address of the Prometheus endpoint /metrics    [default: 127.0.0.1:9100 if free]
  RELEASE               Name of the release in log lines, error reports and traces
  RUST_LOG              Log level, or target=level, separated by commas [default: info]
  OTEL_EXPORTER_OTLP_ENDPOINT   Receiver of traces (OTLP over HTTP)
  SENTRY_DSN            Sentry project that receives errors";

/// The sync backend of SQL Studio on this machine
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = VARIABLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve the API (the default)
    #[command(after_help = VARIABLES)]
    Serve(ServeArgs),
    /// Create or update the tables of all stores
    Migrate(FolderArgs),
    /// Remove items, conflicts, sessions and tokens whose retention is over
    Purge(PurgeArgs),
    /// End the cursors of all devices, after sync data was restored from a backup
    InvalidateCursors(FolderArgs),
    /// List the databases of sync data with their ids, weights and numbers of users
    Databases(FolderArgs),
    /// Move a user to another database of sync data, or continue an interrupted move
    MoveUser(MoveUserArgs),
    /// Move all users of a database of sync data to the others, or continue
    DrainDatabase(DrainArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Print the pseudonym of a user in the log
    Pseudonym(PseudonymArgs),
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on, or only a port of 127.0.0.1
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8500", value_parser = socket_address)]
    pub(crate) listen: SocketAddr,
    /// Address of the Prometheus endpoint /metrics, or only a port [default: METRICS_LISTEN, or else 127.0.0.1:9100 if free]
    #[arg(long, value_name = "ADDRESS", value_parser = socket_address)]
    metrics: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct FolderArgs {
    /// Folder for all data that is on no server [default: DATA_DIR, or else ./data]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl ServeArgs {
    /// Returns the address of the metrics endpoint, if one is set.
    pub(crate) fn metrics_address(&self, env: &Env) -> Result<Option<SocketAddr>, ConfigError> {
        let variable = "METRICS_LISTEN";
        let Some(value) = env.get(variable).filter(|_| self.metrics.is_none()) else { return Ok(self.metrics) };
        let invalid =
            |expected: &str| ConfigError::Invalid { variable, value: value.clone(), expected: expected.into() };
        socket_address(&value).map(Some).map_err(invalid)
    }
}

impl FolderArgs {
    /// Returns the data folder.
    pub(crate) fn path(&self, env: &Env) -> PathBuf {
        let from_env = || env.get("DATA_DIR").map(PathBuf::from);
        self.data.clone().or_else(from_env).unwrap_or_else(|| PathBuf::from("./data"))
    }
}

#[derive(Args)]
pub(crate) struct PurgeArgs {
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Time to take for now, as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) now: Option<Timestamp>,
}

#[derive(Args)]
pub(crate) struct MoveUserArgs {
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Id of the user, a UUID
    #[arg(value_name = "USER_ID", value_parser = user_id)]
    pub(crate) user: UserId,
    /// Id of the database to move to, as `databases` lists it
    #[arg(value_name = "DATABASE_ID", value_parser = database_id)]
    pub(crate) database: DatabaseId,
}

#[derive(Args)]
pub(crate) struct DrainArgs {
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Id of the database, as `databases` lists it
    #[arg(value_name = "DATABASE_ID", value_parser = database_id)]
    pub(crate) database: DatabaseId,
}

#[derive(Args)]
pub(crate) struct PseudonymArgs {
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Id of the user, a UUID
    #[arg(value_name = "USER_ID", value_parser = user_id)]
    pub(crate) user: UserId,
}

/// Reads `ADDRESS:PORT`, or `PORT` of the loopback address.
fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| "an address and a port, such as 127.0.0.1:8500, or a port")
}

fn user_id(text: &str) -> Result<UserId, &'static str> {
    text.parse().map_err(|_| "it must be a UUID, such as the id in the response to a login")
}

fn database_id(text: &str) -> Result<DatabaseId, &'static str> {
    text.parse().map_err(|_| "it must be a UUID, as the command `databases` lists it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        for (text, address) in [("8501", "127.0.0.1:8501"), ("0.0.0.0:80", "0.0.0.0:80"), ("[::1]:8500", "[::1]:8500")]
        {
            assert_eq!(socket_address(text), Ok(address.parse().expect("an address")));
        }
        for text in ["localhost:8500", "70000", ""] {
            assert!(socket_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn help_lists_the_variables_that_the_readme_lists() {
        let readme = include_str!("../../README.md");
        let (_, table) = readme.split_once("## Settings").expect("a section about settings");
        let (table, _) = table.split_once("\n## ").expect("another section");
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        for variable in rows.filter(|name| !["SECRETS_ARN", "PUBLIC_URL_PARAMETER", "METRICS_NAMESPACE"].contains(name))
        {
            assert!(VARIABLES.contains(&format!("  {variable} ")), "--help does not list {variable}");
        }
    }
}
