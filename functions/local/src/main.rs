//! `cargo run`: the whole API in one process, on stores in a folder or on the servers that the environment names.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use local::{App, Metrics, Stores, document, ensure_signing_key, serve};
use shared::auth::PasswordCost;
use shared::clock::{Clock, Random, SystemClock, SystemRandom};
use shared::config::Settings;
use shared::mail::mailer;
use shared::models::{Timestamp, UserId};
use shared::telemetry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The sync backend of SQL App, on this machine.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API (what happens without a command, too)
    Serve(Serve),
    /// Bring the stores up to date
    Migrate(Folder),
    /// Forget what was deleted, settled or expired long enough ago
    Purge(PurgeArgs),
    /// Print the OpenAPI document
    Openapi,
    /// Print the name under which a user stands in the log
    Pseudonym(PseudonymArgs),
}

#[derive(Args)]
struct Serve {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8500")]
    listen: SocketAddr,
    /// Where Prometheus finds the metrics, at /metrics; 127.0.0.1:9100 unless another program is there
    #[arg(long, env = "METRICS_LISTEN")]
    metrics: Option<SocketAddr>,
    #[command(flatten)]
    folder: Folder,
}

#[derive(Args)]
struct Folder {
    /// The folder for whatever no server keeps
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    data: PathBuf,
}

#[derive(Args)]
struct PurgeArgs {
    #[command(flatten)]
    folder: Folder,
    /// The time to take for now, as 2026-01-31T12:00:00Z
    #[arg(long)]
    now: Option<Timestamp>,
}

#[derive(Args)]
struct PseudonymArgs {
    #[command(flatten)]
    folder: Folder,
    /// The user's id
    user: UserId,
}

/// How long a mail that is on its way may take when the server stops.
const GRACE: Duration = Duration::from_secs(10);

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    telemetry::start("local");
    let cli = Cli::parse();
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => run_server(args).await,
        Command::Migrate(folder) => {
            let mut settings = Settings::from_env()?;
            settings.data = folder.data;
            let random: Arc<dyn Random> = Arc::new(SystemRandom);
            let applied = Stores::open(&settings, &random).await?.migrate().await?;
            print_line(&format!("{} migrations applied {applied:?}", applied.len()));
            Ok(())
        }
        Command::Purge(args) => {
            let app = open(args.folder, None).await?;
            let report = app.purge().run(args.now.unwrap_or_else(|| SystemClock.now())).await?;
            print_line(&format!("{report:?}"));
            Ok(())
        }
        Command::Pseudonym(args) => {
            open(args.folder, None).await?;
            print_line(&telemetry::pseudonym(args.user));
            Ok(())
        }
        Command::Openapi => {
            print_line(document()?.trim_end());
            Ok(())
        }
    }
}

async fn run_server(args: Serve) -> Result<(), Fault> {
    let listener = TcpListener::bind(args.listen).await.map_err(|error| format!("{}: {error}", args.listen))?;
    let address = listener.local_addr()?;
    let app = open(args.folder, Some(address)).await?;
    let router = app.router()?;
    let (outbox_worker, queued) = (app.outbox_worker()?, app.mail_queued.clone());
    let metrics = Metrics::start(args.metrics).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let outbox_worker = tokio::spawn(async move { outbox_worker.run(&queued, stopped).await });
    let stores = app.stores.clone();
    tokio::spawn(async move {
        for (store, error) in stores.unavailable().await {
            tracing::warn!(store, %error, "does not answer; if its tables are missing, `migrate` makes them");
        }
    });
    greet(address, &app.settings);
    tokio::spawn(metrics.serve());
    serve(listener, router).await?;
    drop(stop);
    // A mail that is on its way would otherwise be sent once more.
    timeout(GRACE, outbox_worker).await.ok();
    telemetry::flush().await;
    Ok(())
}

/// Opens the stores that the settings name, and brings the file in `folder` up to date. `address`, where there is one, is
/// the default of `PUBLIC_URL`.
async fn open(folder: Folder, address: Option<SocketAddr>) -> Result<App, Fault> {
    let mut settings = Settings::from_env()?;
    settings.data = folder.data;
    if let (Some(address), None) = (address, &settings.public_url) {
        settings.public_url = Some(format!("http://{address}"));
    }
    if settings.jwt_secret.is_none() {
        settings.jwt_secret = Some(ensure_signing_key(&settings.data, &SystemRandom)?);
    }
    if let Some(key) = &settings.jwt_secret {
        telemetry::set_pseudonym_key(key);
    }
    // A service that cannot report errors still serves.
    if let Some(Err(error)) = settings.sentry_dsn.as_ref().map(telemetry::report_errors_to) {
        tracing::error!(%error, "error reporting disabled");
    }
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let stores = Stores::open(&settings, &random).await?;
    for name in stores.migrate_file().await? {
        tracing::info!(step = name, "migration applied");
    }
    let mailer = mailer(&settings, clock.clone(), random.clone())?;
    Ok(App { settings, stores, mailer, mail_queued: Arc::default(), clock, random, password_cost: PasswordCost::OWASP })
}

fn greet(address: SocketAddr, settings: &Settings) {
    let data = settings.data.display();
    let mails =
        if settings.resend.is_some() { "go out by Resend".to_owned() } else { format!("are written to {data}/outbox") };
    let or_file = |is_server: bool, server| if is_server { server } else { "a file" };
    print_line(&format!(
        "SQL Studio Sync listens on http://{address} and keeps accounts in {}, sync data in {},
sessions in {}, and all else in {data}.

Try:
  curl http://{address}/health
  curl http://{address}/api/sync/limits
  curl -X POST http://{address}/api/auth/signup -H 'Content-Type: application/json' \\
       -d '{{\"username\": \"ada\", \"email\": \"ada@example.com\", \"password\": \"Sesame42\"}}'

Mails {mails}. The README walks on from here; Ctrl-C stops.",
        or_file(settings.database_url.is_some(), "PostgreSQL"),
        or_file(!settings.turso_urls.is_empty(), "libSQL"),
        or_file(settings.redis_url.is_some(), "Redis"),
    ));
}

#[expect(clippy::print_stdout, reason = "what a person at the terminal asked for")]
fn print_line(text: &str) {
    println!("{text}");
}
