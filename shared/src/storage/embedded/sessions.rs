use std::time::Duration;

use async_trait::async_trait;

use super::Embedded;
use crate::models::{Session, SessionId, Timestamp, UserId, limits};
use crate::storage::libsql::{Row, RowReader, Statement, Value};
use crate::storage::{
    AuthOutcome, LAST_SEEN_RESOLUTION_SECONDS, NewSession, ROTATION_GRACE_SECONDS, RateLimitRequest, RateLimitStatus,
    RateLimiter, Rotation, Sessions, StoreResult, TokenHash,
};

macro_rules! session_columns {
    () => {
        "s.id, s.user_id, s.device, s.ip, s.created_at, s.last_seen_at, s.expires_at"
    };
}

const OPEN: &str = "
INSERT INTO sessions (id, user_id, device, ip, created_at, last_seen_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const END_SURPLUS: &str = "
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE user_id = ?1 ORDER BY last_seen_at DESC, created_at DESC LIMIT -1 OFFSET ?2)";
const ADD_TOKEN: &str =
    "INSERT INTO refresh_tokens (token_hash, session_id, rotated_at, expires_at) VALUES (?1, ?2, NULL, ?3)";

const LIVING: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sessions AS s WHERE s.id = ?1 AND s.user_id = ?2 AND s.expires_at > ?3"
);
const SEEN: &str = "UPDATE sessions SET last_seen_at = max(last_seen_at, ?2) WHERE id = ?1";
const LIST: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sessions AS s WHERE s.user_id = ?1 AND s.expires_at > ?2 ORDER BY s.created_at DESC, s.id LIMIT 1000"
);

/// The session of a refresh token that has not expired, and when the token was rotated out: `?1` token, `?2` now.
const PRESENTED: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", t.rotated_at FROM refresh_tokens AS t JOIN sessions AS s ON s.id = t.session_id
    WHERE t.token_hash = ?1 AND t.expires_at > ?2"
);
/// Does nothing if the token was rotated out before `?3`: the session is about to end then.
const NEXT_TOKEN: &str = "
INSERT INTO refresh_tokens (token_hash, session_id, rotated_at, expires_at)
SELECT ?4, session_id, NULL, ?5 FROM refresh_tokens
WHERE token_hash = ?1 AND expires_at > ?2 AND coalesce(rotated_at, ?2) >= ?3";
const ROTATE_OUT: &str = "
UPDATE refresh_tokens SET rotated_at = ?2 WHERE token_hash = ?1 AND rotated_at IS NULL AND expires_at > ?2";
const PROLONG: &str = "
UPDATE sessions SET expires_at = ?5, last_seen_at = ?2
WHERE id = (SELECT session_id FROM refresh_tokens
    WHERE token_hash = ?1 AND expires_at > ?2 AND coalesce(rotated_at, ?2) >= ?3)";
const END_REUSED: &str = "
DELETE FROM sessions WHERE id = (SELECT session_id FROM refresh_tokens
    WHERE token_hash = ?1 AND expires_at > ?2 AND rotated_at < ?3)";

const END: &str = "DELETE FROM sessions WHERE user_id = ?1 AND id = ?2";
const END_OTHERS: &str = "DELETE FROM sessions WHERE user_id = ?1 AND id IS NOT ?2";
/// The tokens of sessions that are gone.
const ORPHANS: &str = "
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
        let most = Value::Integer(limits::SESSIONS as i64);
        let statements = vec![
            Statement::new(OPEN, row),
            Statement::new(ADD_TOKEN, token),
            Statement::new(END_SURPLUS, [session.user.into(), most]),
        ];
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
        let done = self.file.read("admit", vec![Statement::new(LIVING, [id.into(), user.into(), now.into()])]).await?;
        let Some(row) = done.into_iter().flat_map(|done| done.rows).next() else {
            return Ok(AuthOutcome::refused());
        };
        let session = read_session(row)?.0;
        let bucket = match rate_limit {
            Some(rate_limit) => Some(self.rate_limiter.take(rate_limit, now).await?),
            None => None,
        };
        if session.last_seen_at.plus_seconds(LAST_SEEN_RESOLUTION_SECONDS) <= now {
            self.file.write("seen", vec![Statement::new(SEEN, [id.into(), now.into()])]).await?;
        }
        Ok(AuthOutcome {
            session: Some(session),
            rate_limit: bucket,
            wait: Duration::ZERO,
            first_today: self.active_users.is_first(user, now),
        })
    }

    async fn rotate(
        &self,
        presented: &TokenHash,
        next: &TokenHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Rotation> {
        let grace = now.plus_seconds(-ROTATION_GRACE_SECONDS);
        let all: [Value; 5] =
            [presented.as_str().into(), now.into(), grace.into(), next.as_str().into(), expires_at.into()];
        let with = |sql, count: usize| Statement::new(sql, all.iter().take(count).cloned());
        let statements =
            vec![with(PRESENTED, 2), with(NEXT_TOKEN, 5), with(PROLONG, 5), with(END_REUSED, 3), with(ROTATE_OUT, 2)];
        let done = self.file.write("rotate", statements).await?;
        let Some(row) = done.into_iter().flat_map(|done| done.rows).next() else { return Ok(Rotation::Unknown) };
        let (session, mut rest) = read_session(row)?;
        Ok(match rest.optional_time("rotated_at")? {
            Some(rotated_at) if rotated_at < grace => Rotation::Reused(session),
            _ => Rotation::Rotated(Session { expires_at, last_seen_at: now, ..session }),
        })
    }

    async fn list(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        let done = self.file.read("list", vec![Statement::new(LIST, [user.into(), now.into()])]).await?;
        done.into_iter().flat_map(|done| done.rows).map(|row| Ok(read_session(row)?.0)).collect()
    }

    async fn end(&self, user: UserId, id: SessionId) -> StoreResult<bool> {
        let statements = vec![Statement::new(END, [user.into(), id.into()]), Statement::new(ORPHANS, [id.into()])];
        let done = self.file.write("end", statements).await?;
        Ok(done.first().is_some_and(|done| done.written > 0))
    }

    async fn end_others(&self, user: UserId, except: Option<SessionId>) -> StoreResult<()> {
        // Their refresh tokens lead nowhere from now on, and go when they expire.
        self.file.write("end_others", vec![Statement::new(END_OTHERS, [user.into(), except.into()])]).await?;
        Ok(())
    }

    async fn ping(&self) -> StoreResult<()> {
        self.file.read("ping", vec![Statement::new("SELECT 1 FROM sessions LIMIT 1", [])]).await?;
        Ok(())
    }
}

#[async_trait]
impl RateLimiter for Embedded {
    async fn take(&self, rate_limit: &RateLimitRequest, now: Timestamp) -> StoreResult<RateLimitStatus> {
        self.rate_limiter.take(rate_limit, now).await
    }
}

fn read_session(row: Row) -> StoreResult<(Session, RowReader)> {
    let mut row = RowReader::of("sessions", row);
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
