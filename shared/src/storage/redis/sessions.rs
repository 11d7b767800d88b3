use std::collections::HashMap;
use std::time::Duration;

use ::redis::cmd;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::connection::Request;
use super::{RedisSessions, keys};
use crate::models::{Session, SessionId, Timestamp, UserId, limits};
use crate::storage::{
    AuthOutcome, LAST_SEEN_RESOLUTION_SECONDS, NewSession, ROTATION_GRACE_SECONDS, RateLimitRequest, Rotation,
    Sessions, StoreError, StoreResult, TokenHash,
};

/// What `authenticate` returns.
type AuthenticateReply = (Option<String>, Option<bool>, Option<bool>, Option<i64>, Option<u64>);

/// What of a session no script needs to know.
#[derive(Serialize, Deserialize)]
struct Details {
    device: String,
    ip: String,
}

/// A session as it is kept: `EXPIRES SEEN CREATED DETAILS`.
fn to_text(session: &Session) -> String {
    let details = Details { device: session.device.clone(), ip: session.ip.clone() };
    let details = serde_json::to_string(&details).expect("texts alone");
    let times = [session.expires_at, session.last_seen_at, session.created_at].map(Timestamp::micros);
    format!("{} {} {} {details}", times[0], times[1], times[2])
}

fn from_text(user: UserId, id: SessionId, text: &str) -> StoreResult<Session> {
    let read = || {
        let mut parts = text.splitn(4, ' ');
        let mut time = || Some(Timestamp::from_micros(parts.next()?.parse().ok()?));
        let (expires_at, last_seen_at, created_at) = (time()?, time()?, time()?);
        let Details { device, ip } = serde_json::from_str(parts.next()?).ok()?;
        Some(Session { id, user, device, ip, created_at, last_seen_at, expires_at })
    };
    read().ok_or_else(|| bad("session", &id.to_string()))
}

fn bad(column: &'static str, key: &str) -> StoreError {
    StoreError::Corrupt { table: "sessions", column, key: key.to_owned(), reason: "unreadable".to_owned() }
}

/// Milliseconds from `now` to `time`; at least one, for Redis takes no less.
fn millis_until(time: Timestamp, now: Timestamp) -> i64 {
    ((time.micros() - now.micros()) / 1_000).max(1)
}

impl RedisSessions {
    /// Notes whose refresh token this is. It opens nothing: that takes the token's own key, which is in its user's slot.
    async fn store_owner(&self, token: &TokenHash, user: UserId, millis: i64) -> StoreResult<()> {
        let mut note = cmd("SET");
        note.arg(keys::owner(token)).arg(user.to_string()).arg("PX").arg(millis);
        self.connection.request("note_owner", Request::Command(&note)).await
    }
}

#[async_trait]
impl Sessions for RedisSessions {
    async fn open(&self, new: &NewSession) -> StoreResult<()> {
        let session = &new.session;
        let millis = millis_until(session.expires_at, session.created_at);
        self.store_owner(&new.refresh, session.user, millis).await?;
        let mut script = self.scripts.open.key(keys::sessions(session.user));
        script
            .key(keys::token(session.user, &new.refresh))
            .arg(session.id.to_string())
            .arg(to_text(session))
            .arg(format!("{} {} -", session.id, session.expires_at.micros()))
            .arg(session.created_at.micros())
            .arg(millis)
            .arg(limits::SESSIONS);
        self.connection.request("open", Request::Script(&script)).await
    }

    async fn authenticate(
        &self,
        user: UserId,
        id: SessionId,
        rate_limit: Option<&RateLimitRequest>,
        now: Timestamp,
    ) -> StoreResult<AuthOutcome> {
        let mut script = self.scripts.authenticate.key(keys::sessions(user));
        script.key(keys::day(user)).arg(id.to_string()).arg(now.micros());
        script.arg(now.plus_seconds(-LAST_SEEN_RESOLUTION_SECONDS).micros()).arg(now.day());
        if let Some(rate_limit) = rate_limit {
            script.key(keys::bucket_of(user, rate_limit)).key(keys::turn_of(user, rate_limit));
            script.arg(rate_limit.policy.micros_per_token()).arg(rate_limit.policy.per_minute);
            script.arg(u64::try_from(rate_limit.min_interval.as_micros()).unwrap_or(0));
        }
        let (session, first, taken, missing, wait): AuthenticateReply =
            self.connection.request("admit", Request::Script(&script)).await?;
        let session = session.map(|text| from_text(user, id, &text)).transpose()?;
        let bucket = rate_limit.and_then(|rate_limit| Some(rate_limit.policy.state(taken?, missing?)));
        let wait = Duration::from_micros(wait.unwrap_or(0));
        Ok(AuthOutcome { session, rate_limit: bucket, wait, first_today: first.unwrap_or(false) })
    }

    async fn rotate(
        &self,
        presented: &TokenHash,
        next: &TokenHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Rotation> {
        let mut whose = cmd("GET");
        whose.arg(keys::owner(presented));
        let Some(owner) = self.connection.request::<Option<String>>("owner", Request::Command(&whose)).await? else {
            return Ok(Rotation::Unknown);
        };
        let user: UserId = owner.parse().map_err(|_| bad("owner", "of a token"))?;
        let millis = millis_until(expires_at, now);
        self.store_owner(next, user, millis).await?;
        let mut script = self.scripts.rotate.key(keys::sessions(user));
        script
            .key(keys::token(user, presented))
            .key(keys::token(user, next))
            .arg(now.micros())
            .arg(now.plus_seconds(-ROTATION_GRACE_SECONDS).micros())
            .arg(expires_at.micros())
            .arg(millis);
        let (outcome, id, text): (Option<String>, Option<String>, Option<String>) =
            self.connection.request("rotate", Request::Script(&script)).await?;
        let (Some(outcome), Some(id), Some(text)) = (outcome, id, text) else { return Ok(Rotation::Unknown) };
        let session = from_text(user, id.parse().map_err(|_| bad("id", &id))?, &text)?;
        match outcome.as_str() {
            "reused" => Ok(Rotation::Reused(session)),
            "rotated" => Ok(Rotation::Rotated(Session { expires_at, last_seen_at: now, ..session })),
            _ => Err(bad("outcome", &outcome)),
        }
    }

    async fn list(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        let mut all = cmd("HGETALL");
        all.arg(keys::sessions(user));
        let all: HashMap<String, String> = self.connection.request("list", Request::Command(&all)).await?;
        let read = |(id, text): (String, String)| from_text(user, id.parse().map_err(|_| bad("id", &id))?, &text);
        let mut sessions = all.into_iter().map(read).collect::<StoreResult<Vec<_>>>()?;
        sessions.retain(|session| session.expires_at > now);
        sessions.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(a.id.cmp(&b.id)));
        Ok(sessions)
    }

    async fn end(&self, user: UserId, id: SessionId) -> StoreResult<bool> {
        let mut end = cmd("HDEL");
        end.arg(keys::sessions(user)).arg(id.to_string());
        let (was_there, asked_twice): (bool, bool) =
            self.connection.request_with_retry_flag("end", Request::Command(&end)).await?;
        Ok(was_there || asked_twice)
    }

    async fn end_others(&self, user: UserId, except: Option<SessionId>) -> StoreResult<()> {
        let mut script = self.scripts.end_others.key(keys::sessions(user));
        script.arg(except.map(|id| id.to_string()).unwrap_or_default());
        self.connection.request("end_others", Request::Script(&script)).await
    }

    async fn ping(&self) -> StoreResult<()> {
        // A write, for a server that was the primary until lately answers all else.
        let mut write = cmd("SET");
        write.arg(keys::PING).arg(1).arg("EX").arg(60);
        self.connection.request("ping", Request::Command(&write)).await
    }
}
