//! `cargo run`: the whole API in one process, on a folder or on the servers that the environment names.

mod cli;
mod commands;
mod greeting;
mod moves;
mod progress;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use shared::config::Env;
use shared::telemetry;

use cli::{Cli, Command};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start("local");
    let env = Env::process();
    let result = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => commands::serve(args, &env).await,
        Command::Migrate(folder) => commands::migrate(folder, &env).await,
        Command::Purge(args) => commands::purge(args, &env).await,
        Command::InvalidateCursors(folder) => commands::invalidate_cursors(folder, &env).await,
        Command::Databases(folder) => moves::databases(folder, &env).await,
        Command::MoveUser(args) => moves::move_user(args, &env).await,
        Command::DrainDatabase(args) => moves::drain_database(args, &env).await,
        Command::Pseudonym(args) => commands::pseudonym(&args, &env),
        Command::Openapi => commands::openapi(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "error: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

/// Prints a line for the person who starts the server, to standard error.
fn print_warning(text: &str) {
    writeln!(std::io::stderr(), "warning: {text}").ok();
}

/// Prints `text` to standard output. A reader that closes the pipe early, such as `head`, is no error.
fn print_line(text: &str) -> Result<(), Error> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
