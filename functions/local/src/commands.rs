//! Implementation of the commands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use local::{
    App, Config, ConnectionLimits, Metrics, Stop, Stores, StoresConfig, document, existing_auth_config,
    serve as serve_http,
};
use purge::{Purge, Report};
use shared::auth::PasswordCost;
use shared::breaches::BreachedPasswords;
use shared::clock::{Clock, Random, SystemClock, SystemRandom};
use shared::config::{Env, TelemetryConfig};
use shared::mail::mailer;
use shared::storage::Diagnosis;
use shared::storage::embedded::Embedded;
use shared::telemetry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{interval, timeout};

use crate::cli::{FolderArgs, PseudonymArgs, PurgeArgs, ServeArgs};
use crate::greeting::greeting;
use crate::progress::Progress;
use crate::{Error, print_line, print_warning};

/// Time for which an email that is being sent may continue when the server stops.
const EMAIL_GRACE: Duration = Duration::from_secs(10);

/// Number of accounts that one transaction of a command changes.
const BATCH: usize = 1_000;

/// Interval between purges.
const PURGE_INTERVAL: Duration = Duration::from_secs(24 * 3_600);

/// Serves the API until SIGTERM or SIGINT.
pub(crate) async fn serve(args: ServeArgs, env: &Env) -> Result<(), Error> {
    let metrics = args.metrics_address(env)?;
    let limits = ConnectionLimits::of_process();
    let listener = listen(args.listen).await?;
    let address = listener.local_addr()?;
    let config = Config::from_env(env, args.folder.path(env), format!("http://{address}"))?;
    telemetry::set_pseudonym_key(&config.auth.signing_key);
    // A server that cannot report errors still serves.
    if let Some(Err(error)) = TelemetryConfig::from_env(env).sentry_dsn.as_ref().map(telemetry::report_errors_to) {
        tracing::error!(%error, "error reporting disabled");
    }
    let app = open(config).await?;
    let router = app.router()?;
    let metrics = Metrics::start(metrics).await?;
    let problems = app.stores.problems(&app.config.stores, &app.random).await;
    for problem in &problems {
        print_warning(&problem.to_string());
    }
    if problems.is_empty()
        && let Some(databases) = app.stores.databases()
        && let Err(error) = databases.check().await
    {
        print_warning(&error.to_string());
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let (worker, queued) = (app.outbox_worker(), app.email_queued.clone());
    let worker = tokio::spawn(async move { worker.run(&queued, stopped).await });
    tokio::spawn(purge_daily(app.purge()));
    tokio::spawn(metrics.serve());
    print_line(&greeting(address, &app.config))?;
    let stopped = serve_http(listener, router, limits, app.config.trusted_proxies.clone()).await?;
    drop(stop);
    if stopped == Stop::Graceful {
        // An email that is cut off would be sent once more.
        timeout(EMAIL_GRACE, worker).await.ok();
    }
    telemetry::flush().await;
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).await;
    Ok(listener.map_err(|error| format!("cannot listen on {address}: {error}; choose another with --listen"))?)
}

/// Opens the stores and migrates the file.
async fn open(config: Config) -> Result<App, Error> {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom) as Arc<dyn Random>);
    let stores = Stores::open(&config.stores, &random).await?;
    for name in stores.migrate_file().await? {
        tracing::info!(migration = name, "migration applied");
    }
    let mailer = mailer(&config.email, clock.clone(), random.clone())?;
    let breached_passwords = config.breaches.as_ref().map(BreachedPasswords::new).transpose()?;
    let password_cost = PasswordCost::OWASP;
    Ok(App { config, stores, mailer, email_queued: Arc::default(), clock, random, breached_passwords, password_cost })
}

/// Purges at once and then every day, as the schedule does on AWS.
async fn purge_daily(purge: Purge) {
    let mut interval = interval(PURGE_INTERVAL);
    loop {
        interval.tick().await;
        if let Err(error) = purge.run(SystemClock.now()).await {
            tracing::warn!(%error, "purge failed");
        }
    }
}

/// Opens the stores of a command, which fails if a server has a problem that it does not tolerate.
async fn open_usable(config: &StoresConfig, is_tolerated: impl Fn(&Diagnosis) -> bool) -> Result<Stores, Error> {
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let stores = Stores::open(config, &random).await?;
    let mut problems = stores.problems(config, &random).await.into_iter();
    match problems.find(|problem| !is_tolerated(&problem.diagnosis)) {
        Some(problem) => Err(problem.into()),
        None => Ok(stores),
    }
}

/// Creates or updates the tables of all stores.
pub(crate) async fn migrate(folder: FolderArgs, env: &Env) -> Result<(), Error> {
    let config = StoresConfig::for_migrations(env, folder.path(env))?;
    let stores = open_usable(&config, |diagnosis| diagnosis.lacks_tables).await?;
    let progress = Progress::start("Migrating");
    let applied = stores.migrate(&config, &SystemRandom).await?;
    drop(progress);
    print_line(&match applied.as_slice() {
        [] => "0 migrations applied: all tables are up to date.".to_owned(),
        names => format!("{} migrations applied: {}.", names.len(), names.join(", ")),
    })
}

/// Opens the stores of a command on existing data.
pub(crate) async fn open_existing(folder: &FolderArgs, env: &Env) -> Result<Stores, Error> {
    let config = StoresConfig::from_env(env, folder.path(env))?;
    if config.is_embedded_only() && !config.data_dir.join(Embedded::FILE).exists() {
        let folder = config.data_dir.display();
        return Err(format!("there is no data in {folder}; name the server's data folder with --data").into());
    }
    let stores = open_usable(&config, |_| false).await?;
    stores.migrate_file().await?;
    Ok(stores)
}

/// Ends the cursors of all devices.
pub(crate) async fn invalidate_cursors(folder: FolderArgs, env: &Env) -> Result<(), Error> {
    let stores = open_existing(&folder, env).await?;
    let progress = Progress::start("Invalidating cursors");
    let accounts = stores.data().invalidate_cursors(SystemClock.now(), BATCH).await?;
    drop(progress);
    print_line(&format!("Invalidated the cursors of {accounts} accounts: their devices download everything anew."))
}

/// Removes what is due.
pub(crate) async fn purge(args: PurgeArgs, env: &Env) -> Result<(), Error> {
    let stores = open_existing(&args.folder, env).await?;
    let progress = Progress::start("Purging");
    let report = stores.purge().run(args.now.unwrap_or_else(|| SystemClock.now())).await?;
    drop(progress);
    print_line(&sentence(&report))
}

fn sentence(report: &Report) -> String {
    let Report { tombstones, conflicts, versions, expired, accounts, moved: _, repaired: _, unfinished } = report;
    let rest = if *unfinished { " More is due: run it again." } else { "" };
    format!(
        "Purged {tombstones} deleted items, {versions} replaced versions, {conflicts} resolved conflicts, {expired} expired \
         sessions and tokens, {accounts} deleted accounts.{rest}"
    )
}

/// Prints a user's pseudonym.
pub(crate) fn pseudonym(args: &PseudonymArgs, env: &Env) -> Result<(), Error> {
    let folder = &args.folder.path(env);
    let auth = existing_auth_config(env, folder)?.ok_or_else(|| {
        format!(
            "pseudonyms need the signing key of the server, and there is none in {}; set JWT_SECRET, or name the \
             server's data folder with --data",
            folder.display()
        )
    })?;
    telemetry::set_pseudonym_key(&auth.signing_key);
    print_line(&telemetry::pseudonym(args.user))
}

/// Prints the OpenAPI document.
pub(crate) fn openapi() -> Result<(), Error> {
    print_line(document()?.trim_end())
}
