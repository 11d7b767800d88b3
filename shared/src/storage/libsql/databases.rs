//! The databases of sync data, their identities, and which of them a call runs on.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use uuid::Uuid;

use super::{BatchError, Member, RowReader, Statement, Transport};
use crate::models::{DatabaseId, PlacedUser, Timestamp, UserId};
use crate::placement::choose_database_of_existing;
use crate::storage::{DatabaseSet, Placement, Placements, Sessions, StoreError, StoreResult};

const IDENTITY: &str = "SELECT database_id, set_id FROM placement";

/// Returns those users who have data. `?1` users, a JSON array.
const HOLDS: &str = "
SELECT h.user_id FROM json_each(?1) AS j CROSS JOIN sync_heads AS h
WHERE h.user_id = j.value AND h.moved_to IS NULL AND h.closed_at IS NULL";

/// Deadline for reading an identity. A database that is down must not delay the users of the others for longer.
const IDENTITY_TIMEOUT: Duration = Duration::from_secs(2);

/// Deadline for storing a hint, which is not needed for the response.
const HINT_TIMEOUT: Duration = Duration::from_millis(500);

/// Maximum number of databases that one call tries: that of the hint, that of the account, and that of a mark.
const MAX_HOPS: usize = 3;

/// Identity of a database, which `migrate` writes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// Id of the database.
    pub(super) id: DatabaseId,
    /// Id of the set that it belongs to.
    pub(super) set: Uuid,
}

/// A database of the list.
pub(super) struct ListedDatabase {
    pub(super) transport: Arc<dyn Transport>,
    /// Share of the new users, which `migrate` registers.
    pub(super) weight: u32,
    identity: OnceLock<Identity>,
}

impl ListedDatabase {
    /// Returns the identity; reads it if it is not known. `None` if the database has none, or not even the table.
    ///
    /// # Errors
    /// When the database is unreachable.
    pub(super) async fn identity(&self) -> StoreResult<Option<Identity>> {
        if let Some(identity) = self.identity.get() {
            return Ok(Some(*identity));
        }
        let read = self.transport.read_batch("identity", [Statement::new(IDENTITY, [])]);
        let row = match timeout(IDENTITY_TIMEOUT, read).await {
            Err(_) => return Err(unavailable("a database does not respond")),
            // There is no such table.
            Ok(Err(BatchError::Refused(_))) => None,
            Ok(result) => {
                let [rows] = result?;
                rows.into_first_row()
            }
        };
        let Some(row) = row else { return Ok(None) };
        let mut row = RowReader::new("placement", row);
        let identity = Identity { id: row.parsed("database_id")?, set: row.parsed("set_id")? };
        Ok(Some(*self.identity.get_or_init(|| identity)))
    }
}

/// Where placements are recorded, and the hints of sessions.
#[derive(Clone)]
pub struct Directory {
    /// Store of the accounts, which record the placements.
    pub placements: Arc<dyn Placements>,
    /// Store of the sessions, which get a new hint after a look-up. `None` where no session is used.
    pub sessions: Option<Arc<dyn Sessions>>,
}

impl Directory {
    /// Creates a directory for requests, whose sessions get hints.
    pub fn new(placements: Arc<dyn Placements>, sessions: Arc<dyn Sessions>) -> Self {
        Self { placements, sessions: Some(sessions) }
    }
}

/// Databases of which each holds the data of some of the users.
pub(super) struct PlacedDatabases {
    pub(super) listed: Vec<ListedDatabase>,
    pub(super) directory: Directory,
}

impl PlacedDatabases {
    pub(super) fn new(databases: Vec<(Arc<dyn Transport>, u32)>, directory: Directory) -> Self {
        let listed = |(transport, weight)| ListedDatabase { transport, weight, identity: OnceLock::new() };
        Self { listed: databases.into_iter().map(listed).collect(), directory }
    }

    /// Runs `run` on the database of `user`. Looks the placement up if there is no hint, or if the hint is outdated.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database is not in the list, or the user is being moved to another one; and those of
    /// `run`.
    pub(super) async fn run_for<T, F: Future<Output = StoreResult<T>>>(
        &self,
        user: PlacedUser,
        run: impl Fn(Arc<dyn Transport>) -> F,
    ) -> StoreResult<T> {
        let mut candidate = match user.database {
            Some(hint) => hint,
            None => self.look_up(user.id).await?,
        };
        let mut tried = Vec::new();
        while tried.len() < MAX_HOPS && !tried.contains(&candidate) {
            tried.push(candidate);
            let moved_to = match self.find(candidate).await {
                Ok(database) => match run(database).await {
                    Err(StoreError::Moved { to }) => Some(to),
                    result => {
                        if user.database != Some(candidate) {
                            self.renew_hint(user.id, candidate).await;
                        }
                        return result;
                    }
                },
                // The hint may be older than the list.
                Err(_) if user.database == Some(candidate) => None,
                Err(error) => return Err(error),
            };
            let placement = self.look_up(user.id).await?;
            // After a restore of the accounts the placement may be older than the mark.
            candidate = if placement == candidate { moved_to.unwrap_or(candidate) } else { placement };
        }
        // A move may have recorded the placement, and then been interrupted before it opened the head. The error also says if the
        // database is not in the list.
        let state = self.head_state(user.id, candidate).await?;
        if state.is_some_and(|state| state.is_moving && state.moved_to.is_some()) {
            self.end_move_in_progress(user.id, Timestamp::EPOCH).await?;
        }
        Err(unavailable("the user is being moved to another database"))
    }

    /// Returns the database where `user` is placed according to the account. Records the placement of a user whose account was
    /// created by a release that did not.
    pub(super) async fn look_up(&self, user: UserId) -> StoreResult<DatabaseId> {
        match self.directory.placements.placement(user).await? {
            Placement::In(database) => Ok(database),
            Placement::NoUser => Err(StoreError::AccountDeleted),
            Placement::Unrecorded => {
                self.record(&[user], &self.directory.placements.database_set().await?).await?;
                match self.directory.placements.placement(user).await? {
                    Placement::In(database) => Ok(database),
                    Placement::NoUser | Placement::Unrecorded => Err(unavailable("no database is registered")),
                }
            }
        }
    }

    /// Records the placements of `users`, which have none yet.
    pub(super) async fn record(&self, users: &[UserId], set: &DatabaseSet) -> StoreResult<()> {
        let ids = serde_json::to_string(users).expect("ids are always valid JSON");
        let holders = join_all(set.members.iter().map(|member| self.holders(member.id, &ids)));
        let holders = holders.await.into_iter().collect::<StoreResult<Vec<_>>>()?;
        let chosen: Vec<_> = users
            .iter()
            .map(|user| {
                let of_user = holders.iter().filter(|(_, users)| users.contains(user)).map(|(database, _)| *database);
                choose_database_of_existing(*user, &set.members, &of_user.collect::<Vec<_>>())
            })
            .collect();
        for member in &set.members {
            let placed = users.iter().zip(&chosen).filter(|(_, chosen)| **chosen == Some(member.id));
            let placed: Vec<UserId> = placed.map(|(user, _)| *user).collect();
            if !placed.is_empty() {
                self.directory.placements.record(&placed, member.id).await?;
            }
        }
        Ok(())
    }

    /// Returns which of `users`, a JSON array, have data in `database`.
    async fn holders(&self, database: DatabaseId, users: &str) -> StoreResult<(DatabaseId, Vec<UserId>)> {
        let select = Statement::new(HOLDS, [users.into()]);
        let [found] = self.find(database).await?.read_batch("users_with_data", [select]).await?;
        let users = found.rows.into_iter().map(|row| RowReader::new("sync_heads", row).parsed("user_id"));
        Ok((database, users.collect::<StoreResult<_>>()?))
    }

    /// Returns the database `id` of the list. Reads the identities that are not known yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it is not in the list, in it twice, or does not respond.
    pub(super) async fn find(&self, id: DatabaseId) -> StoreResult<Arc<dyn Transport>> {
        if self.known(id).count() == 0 {
            let identities = join_all(self.listed.iter().map(ListedDatabase::identity)).await;
            for error in identities.into_iter().filter_map(Result::err) {
                tracing::warn!(%error, "database not identified");
            }
        }
        let mut known = self.known(id);
        match (known.next(), known.next()) {
            (Some(database), None) => Ok(database.transport.clone()),
            (Some(_), Some(_)) => Err(unavailable(format!("two databases of TURSO_DATABASE_URL have the id {id}"))),
            (None, _) => Err(unavailable(format!("no database of TURSO_DATABASE_URL that responds has the id {id}"))),
        }
    }

    fn known(&self, id: DatabaseId) -> impl Iterator<Item = &ListedDatabase> {
        self.listed.iter().filter(move |listed| listed.identity.get().is_some_and(|identity| identity.id == id))
    }

    /// Stores a new hint. A failure only costs the next call another look-up.
    pub(super) async fn renew_hint(&self, user: UserId, database: DatabaseId) {
        let Some(sessions) = &self.directory.sessions else { return };
        match timeout(HINT_TIMEOUT, sessions.set_database(user, database)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "database hint not stored"),
            Err(_) => tracing::warn!("database hint not stored in time"),
        }
    }

    /// Returns the databases of the list with their ids, after comparing the list with the members of the set.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the list is not that of the set. A database that does not respond has an error of its own.
    pub(super) async fn members(&self) -> StoreResult<Vec<StoreResult<Member>>> {
        let identities = join_all(self.listed.iter().map(ListedDatabase::identity));
        let (set, identities) = tokio::join!(self.directory.placements.database_set(), identities);
        let set = set?;
        let known: Vec<_> = identities.iter().filter_map(|identity| identity.as_ref().ok().copied()).collect();
        let is_complete = known.len() == identities.len();
        check_list(&set, &known, is_complete).map_err(|error| unavailable(error.to_string()))?;
        let member = |(identity, listed): (StoreResult<Option<Identity>>, &ListedDatabase)| {
            let identity = identity?.ok_or_else(|| unavailable("a database has no identity"))?;
            Ok(Member { id: Some(identity.id), transport: listed.transport.clone() })
        };
        Ok(identities.into_iter().zip(&self.listed).map(member).collect())
    }
}

/// The databases of `TURSO_DATABASE_URL` are not those of the set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ListError {
    /// A database belongs to another set.
    #[error("database {0} of TURSO_DATABASE_URL belongs to another service")]
    Foreign(DatabaseId),
    /// Two databases have one id.
    #[error("two databases of TURSO_DATABASE_URL have the id {0}: one is a copy of the other")]
    Copy(DatabaseId),
    /// A database that users are placed in is missing.
    #[error("database {0} is not in TURSO_DATABASE_URL, and there are users whose data it holds")]
    Missing(DatabaseId),
    /// A database is not registered.
    #[error("a database of TURSO_DATABASE_URL is not registered: run migrate")]
    New,
}

/// Compares the identities of the databases in the list with the members of `set`. `is_complete` says whether those of all
/// databases are known.
///
/// # Errors
/// The first difference that makes the list unusable.
pub(super) fn check_list(
    set: &DatabaseSet,
    identities: &[Option<Identity>],
    is_complete: bool,
) -> Result<(), ListError> {
    check_new_list(set, identities, is_complete)?;
    let is_member = |identity: &Option<Identity>| {
        identity.is_some_and(|identity| set.members.iter().any(|member| member.id == identity.id))
    };
    if identities.iter().all(is_member) { Ok(()) } else { Err(ListError::New) }
}

/// As [`check_list`] for a list that is about to be registered: it may have new databases.
///
/// # Errors
/// As [`check_list`].
pub(super) fn check_new_list(
    set: &DatabaseSet,
    identities: &[Option<Identity>],
    is_complete: bool,
) -> Result<(), ListError> {
    let known: Vec<Identity> = identities.iter().flatten().copied().collect();
    if let Some(foreign) = known.iter().find(|identity| identity.set != set.id) {
        return Err(ListError::Foreign(foreign.id));
    }
    let is_copy = |(index, identity): &(usize, &Identity)| known[..*index].contains(identity);
    if let Some((_, copy)) = known.iter().enumerate().find(is_copy) {
        return Err(ListError::Copy(copy.id));
    }
    let is_missing = |id: &&DatabaseId| known.iter().all(|identity| identity.id != **id);
    match set.used.iter().find(is_missing) {
        Some(missing) if is_complete => Err(ListError::Missing(*missing)),
        _ => Ok(()),
    }
}

pub(super) fn unavailable(reason: impl Into<String>) -> StoreError {
    StoreError::Unavailable { store: "libsql", reason: reason.into() }
}
