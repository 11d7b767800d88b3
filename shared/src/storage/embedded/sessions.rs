use std::slice;
use std::time::Duration;

use async_trait::async_trait;

use super::Embedded;
use crate::models::{DatabaseId, Session, SessionId, Timestamp, UserId, limits};
use crate::storage::libsql::{Row, RowReader, Statement, Value};
use crate::storage::sessions::capped_expiry;
use crate::storage::{
    AuthOutcome, LAST_SEEN_RESOLUTION_SECONDS, LIVE_REFRESH_TOKENS, NewSession, ROTATION_GRACE_SECONDS,
    RateLimitRequest, RateLimitStatus, RateLimiter, Rotation, SESSION_SECONDS, Sessions, StoreResult, TokenHash,
};

/// Columns of a session in the order that [`read_session`] expects. `s` is the table.
macro_rules! session_columns {
    () => {
        "s.id, s.user_id, s.device, s.ip, s.created_at, s.last_seen_at, s.expires_at"
    };
}

const OPEN: &str = "
INSERT INTO sessions (id, user_id, device, ip, created_at, last_seen_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
/// Ends the sessions in excess of the maximum, those unused for longest. `?1` user, `?2` maximum.
const END_EXCESS: &str = "
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE user_id = ?1 ORDER BY last_seen_at DESC, created_at DESC LIMIT -1 OFFSET ?2)";
const ADD_TOKEN: &str =
    "INSERT INTO refresh_tokens (token_hash, session_id, rotated_at, expires_at) VALUES (?1, ?2, NULL, ?3)";

/// A session that has not expired, and the hint of its user. `?1` session, `?2` user, `?3` now.
const LIVE_SESSION: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", h.database_id FROM sessions AS s LEFT JOIN database_hints AS h ON h.user_id = s.user_id
    WHERE s.id = ?1 AND s.user_id = ?2 AND s.expires_at > ?3"
);
const STORE_HINT: &str = "
INSERT INTO database_hints (user_id, database_id) VALUES (?1, ?2)
ON CONFLICT (user_id) DO UPDATE SET database_id = excluded.database_id";
const UPDATE_LAST_SEEN: &str = "UPDATE sessions SET last_seen_at = max(last_seen_at, ?2) WHERE id = ?1";
const LIST: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sessions AS s WHERE s.user_id = ?1 AND s.expires_at > ?2 ORDER BY s.created_at DESC, s.id LIMIT 1000"
);

const SESSION_BY_TOKEN: &str = "
SELECT s.user_id, s.id FROM refresh_tokens AS t JOIN sessions AS s ON s.id = t.session_id WHERE t.token_hash = ?1 AND t.expires_at > ?2";

// Parameters of the statements of a rotation: `?1` presented token, `?2` now, `?3` start of the grace period, `?4` next token,
// `?5` new expiry, `?6` longest life of a session in microseconds.

/// The session of a refresh token that has not expired, and when the token was rotated.
const SESSION_OF_TOKEN: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", t.rotated_at FROM refresh_tokens AS t JOIN sessions AS s ON s.id = t.session_id
    WHERE t.token_hash = ?1 AND t.expires_at > ?2 AND s.created_at + ?6 > ?2"
);
/// Does nothing if the token was rotated before the grace period: [`END_REUSED`] ends the session then.
const ADD_NEXT_TOKEN: &str = "
INSERT INTO refresh_tokens (token_hash, session_id, rotated_at, expires_at)
SELECT ?4, s.id, NULL, s.expires_at FROM refresh_tokens AS t JOIN sessions AS s ON s.id = t.session_id
WHERE t.token_hash = ?1 AND t.expires_at > ?2 AND coalesce(t.rotated_at, ?2) >= ?3 AND s.created_at + ?6 > ?2";
const MARK_ROTATED: &str = "
UPDATE refresh_tokens SET rotated_at = ?2 WHERE token_hash = ?1 AND rotated_at IS NULL AND expires_at > ?2";
const EXTEND_SESSION: &str = "
UPDATE sessions SET expires_at = min(?5, created_at + ?6), last_seen_at = ?2
WHERE created_at + ?6 > ?2 AND id = (SELECT session_id FROM refresh_tokens
    WHERE token_hash = ?1 AND expires_at > ?2 AND coalesce(rotated_at, ?2) >= ?3)";
/// Marks the oldest live tokens in excess of the maximum as rotated long ago: their use ends the session.
const END_EXCESS_TOKENS: &str = "
UPDATE refresh_tokens SET rotated_at = 0 WHERE rowid IN (
    SELECT rowid FROM refresh_tokens
    WHERE rotated_at IS NULL AND session_id = (SELECT session_id FROM refresh_tokens WHERE token_hash = ?1)
    ORDER BY rowid DESC LIMIT -1 OFFSET ?2)";
/// Ends the session of a token that was rotated before the grace period.
const END_REUSED: &str = "
DELETE FROM sessions WHERE id = (SELECT session_id FROM refresh_tokens
    WHERE token_hash = ?1 AND expires_at > ?2 AND rotated_at < ?3)";

const END: &str = "DELETE FROM sessions WHERE user_id = ?1 AND id = ?2";
const DELETE_HINT: &str = "DELETE FROM database_hints WHERE user_id = ?1";
const END_OTHERS: &str = "DELETE FROM sessions WHERE user_id = ?1 AND id IS NOT ?2";
/// Removes the refresh tokens of a session that has ended.
const DELETE_TOKENS: &str = "
DELETE FROM refresh_tokens WHERE session_id = ?1 AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = ?1)";

#[async_trait]
impl Sessions for Embedded {
    async fn open(&self, new: &NewSession) -> StoreResult<()> {
        let session = &new.session;
        let row = [
            session.id.into(),
            session.user.into(),
            session.device.as_str().into(),
            session.ip.as_str().into(),
            session.created_at.into(),
            session.last_seen_at.into(),
            session.expires_at.into(),
        ];
        let token = [new.refresh.as_str().into(), session.id.into(), session.expires_at.into()];
        let max_sessions = Value::Integer(limits::SESSIONS as i64);
        let mut statements = vec![
            Statement::new(OPEN, row),
            Statement::new(ADD_TOKEN, token),
            Statement::new(END_EXCESS, [session.user.into(), max_sessions]),
        ];
        statements.extend(new.database.map(|database| store_hint(session.user, database)));
        self.file.write("open", statements).await?;
        Ok(())
    }

    async fn authenticate(
        &self,
        user: UserId,
        id: SessionId,
        rate_limit: Option<&RateLimitRequest>,
        now: Timestamp,
    ) -> StoreResult<AuthOutcome> {
        let select = Statement::new(LIVE_SESSION, [id.into(), user.into(), now.into()]);
        let [found] = self.file.read_batch("authenticate", [select]).await?;
        let Some(row) = found.into_first_row() else { return Ok(AuthOutcome::refused()) };
        let (session, mut rest) = read_session(row)?;
        let database = rest.optional_parsed("database_id")?;
        let bucket = match rate_limit {
            Some(rate_limit) => Some(self.rate_limiter.take(slice::from_ref(rate_limit), now).await?),
            None => None,
        };
        if session.last_seen_at.plus_seconds(LAST_SEEN_RESOLUTION_SECONDS) <= now {
            let update = Statement::new(UPDATE_LAST_SEEN, [id.into(), now.into()]);
            self.file.write("update_last_seen", vec![update]).await?;
        }
        Ok(AuthOutcome {
            session: Some(session),
            rate_limit: bucket,
            wait: Duration::ZERO,
            first_today: self.active_users.is_first(user, now),
            database,
        })
    }

    async fn set_database(&self, user: UserId, database: DatabaseId) -> StoreResult<()> {
        self.file.write("set_database", vec![store_hint(user, database)]).await?;
        Ok(())
    }

    async fn token_session(&self, token: &TokenHash, now: Timestamp) -> StoreResult<Option<(UserId, SessionId)>> {
        let select = Statement::new(SESSION_BY_TOKEN, [token.as_str().into(), now.into()]);
        let [found] = self.file.read_batch("token_session", [select]).await?;
        let Some(row) = found.into_first_row() else { return Ok(None) };
        let mut row = RowReader::new("sessions", row);
        Ok(Some((row.parsed("user_id")?, row.parsed("id")?)))
    }

    async fn rotate(
        &self,
        presented: &TokenHash,
        next: &TokenHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Rotation> {
        let grace_start = now.plus_seconds(-ROTATION_GRACE_SECONDS);
        let longest_life = Value::Integer(SESSION_SECONDS * 1_000_000);
        let parameters: [Value; 6] = [
            presented.as_str().into(),
            now.into(),
            grace_start.into(),
            next.as_str().into(),
            expires_at.into(),
            longest_life,
        ];
        // A statement accepts only as many parameters as it uses.
        let with_first = |count: usize, sql| Statement::new(sql, parameters.iter().take(count).cloned());
        let statements = [
            with_first(6, SESSION_OF_TOKEN),
            with_first(6, EXTEND_SESSION),
            with_first(6, ADD_NEXT_TOKEN),
            with_first(3, END_REUSED),
            with_first(2, MARK_ROTATED),
            Statement::new(END_EXCESS_TOKENS, [presented.as_str().into(), Value::Integer(LIVE_REFRESH_TOKENS as i64)]),
        ];
        let [found, ..] = self.file.write_batch("rotate", statements).await?;
        let Some(row) = found.into_first_row() else { return Ok(Rotation::Unknown) };
        let (session, mut rest) = read_session(row)?;
        Ok(match rest.optional_time("rotated_at")? {
            Some(rotated_at) if rotated_at < grace_start => Rotation::Reused(session),
            _ => {
                let expires_at = capped_expiry(session.created_at, expires_at);
                Rotation::Rotated(Session { expires_at, last_seen_at: now, ..session })
            }
        })
    }

    async fn list(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        let [listed] = self.file.read_batch("list", [Statement::new(LIST, [user.into(), now.into()])]).await?;
        listed.rows.into_iter().map(|row| Ok(read_session(row)?.0)).collect()
    }

    async fn end(&self, user: UserId, id: SessionId) -> StoreResult<bool> {
        let statements = [Statement::new(END, [user.into(), id.into()]), Statement::new(DELETE_TOKENS, [id.into()])];
        let [ended, _] = self.file.write_batch("end", statements).await?;
        Ok(ended.written > 0)
    }

    async fn end_others(&self, user: UserId, except: Option<SessionId>) -> StoreResult<()> {
        // Without a session a refresh token is useless. A purge removes it once it has expired.
        let mut statements = vec![Statement::new(END_OTHERS, [user.into(), except.into()])];
        if except.is_none() {
            statements.push(Statement::new(DELETE_HINT, [user.into()]));
        }
        self.file.write("end_others", statements).await?;
        Ok(())
    }

    async fn ping(&self) -> StoreResult<()> {
        self.file.read("ping", vec![Statement::new("SELECT 1 FROM sessions LIMIT 1", [])]).await?;
        Ok(())
    }
}

#[async_trait]
impl RateLimiter for Embedded {
    async fn take(&self, buckets: &[RateLimitRequest], now: Timestamp) -> StoreResult<RateLimitStatus> {
        self.rate_limiter.take(buckets, now).await
    }

    async fn give_back(&self, buckets: &[RateLimitRequest], now: Timestamp) -> StoreResult<()> {
        self.rate_limiter.give_back(buckets, now).await
    }

    async fn exchange(
        &self,
        taken: &RateLimitRequest,
        wanted: &RateLimitRequest,
        now: Timestamp,
    ) -> StoreResult<RateLimitStatus> {
        self.rate_limiter.exchange(taken, wanted, now).await
    }
}

fn store_hint(user: UserId, database: DatabaseId) -> Statement {
    Statement::new(STORE_HINT, [user.into(), database.into()])
}

/// Decodes a row of [`session_columns!`] and returns also a reader of the columns after them.
fn read_session(row: Row) -> StoreResult<(Session, RowReader)> {
    let mut row = RowReader::new("sessions", row);
    let session = Session {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        device: row.text("device")?,
        ip: row.text("ip")?,
        created_at: row.time("created_at")?,
        last_seen_at: row.time("last_seen_at")?,
        expires_at: row.time("expires_at")?,
    };
    Ok((session, row))
}
