//! Commands about the databases of sync data.

use local::Stores;
use shared::clock::SystemClock;
use shared::config::{Env, TursoConfig};
use shared::storage::libsql::LibsqlSync;
use shared::storage::{DatabaseOverview, Drained, MoveOutcome, UserMoves};

use crate::cli::{DrainArgs, FolderArgs, MoveUserArgs};
use crate::commands::open_existing;
use crate::progress::Progress;
use crate::{Error, print_line, print_warning};

/// Prints the databases.
pub(crate) async fn databases(folder: FolderArgs, env: &Env) -> Result<(), Error> {
    let stores = open_existing(&folder, env).await?;
    let databases = databases_of(&stores)?;
    print_line("position  id                                    weight  users")?;
    for DatabaseOverview { database, position, users } in databases.overview().await? {
        let position = position.map_or_else(|| "missing".to_owned(), |position| position.to_string());
        print_line(&format!("{position:<8}  {}  {:>6}  {users:>5}", database.id, database.weight))?;
    }
    if let Err(error) = databases.check().await {
        print_warning(&error.to_string());
    }
    Ok(())
}

/// Moves a user.
pub(crate) async fn move_user(args: MoveUserArgs, env: &Env) -> Result<(), Error> {
    let stores = open_existing(&args.folder, env).await?;
    let databases = databases_of(&stores)?;
    let progress = Progress::start("Moving the user");
    let outcome = databases.move_user(args.user, args.database, &SystemClock).await;
    drop(progress);
    print_line(&match outcome? {
        MoveOutcome::Moved(rows) => {
            format!("Moved the user: {rows} rows. A purge removes them from the source, after an hour at the earliest.")
        }
        MoveOutcome::AlreadyThere => "The user is in this database.".to_owned(),
    })
}

/// Moves all users of a database.
pub(crate) async fn drain_database(args: DrainArgs, env: &Env) -> Result<(), Error> {
    let stores = open_existing(&args.folder, env).await?;
    let databases = databases_of(&stores)?;
    let progress = Progress::start("Draining the database");
    let report = |drained: Drained| {
        progress.update(&format!("{} users moved, {} failed", drained.moved, drained.failed));
    };
    let drained = databases.drain(args.database, &SystemClock, &|| false, &report).await;
    drop(progress);
    let drained = drained?;
    print_line(&format!("Moved {} users to other databases.", drained.moved))?;
    match drained.failed {
        0 => Ok(()),
        failed => Err(format!("{failed} users could not be moved, the log says why; run it again").into()),
    }
}

/// Returns the databases of sync data on servers.
fn databases_of(stores: &Stores) -> Result<&LibsqlSync, Error> {
    let missing = || format!("sync data is in one file; {} is not set", TursoConfig::URL);
    Ok(stores.databases().ok_or_else(missing)?)
}
