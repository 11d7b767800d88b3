use std::collections::HashMap;
use std::time::Duration;

use ::redis::cmd;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::connection::Request;
use super::{RedisSessions, keys};
use crate::models::{DatabaseId, Session, SessionId, Timestamp, UserId, limits};
use crate::storage::sessions::capped_expiry;
use crate::storage::{
    AuthOutcome, LAST_SEEN_RESOLUTION_SECONDS, LIVE_REFRESH_TOKENS, NewSession, ROTATION_GRACE_SECONDS,
    RateLimitRequest, Rotation, SESSION_SECONDS, Sessions, StoreError, StoreResult, TokenHash,
};

/// Reply of `authenticate.lua`: the session, whether it is the first call of the day, the hint at the database, whether a token was
/// taken, how many microseconds the bucket lacks of being full, how many microseconds to wait.
type AuthenticateReply = (Option<String>, Option<bool>, Option<String>, Option<bool>, Option<i64>, Option<u64>);

/// Value of the hint if there is none. While a slot of a cluster is being moved, calls with a key that does not exist are refused.
const NO_HINT: &str = "-";

/// Time to live of a hint, in milliseconds: that of the longest session. Then the account store is asked again.
const HINT_MILLIS: i64 = SESSION_SECONDS * 1_000;

/// Reply of `rotate.lua`: the outcome, the id of the session, and the session.
type RotateReply = (Option<String>, Option<String>, Option<String>);

/// Fields of a session that no script reads.
#[derive(Serialize, Deserialize)]
struct Details {
    device: String,
    ip: String,
}

/// Encodes a session as `EXPIRES SEEN CREATED DETAILS`.
fn encode(session: &Session) -> String {
    let details = Details { device: session.device.clone(), ip: session.ip.clone() };
    let details = serde_json::to_string(&details).expect("strings are always valid JSON");
    let times = [session.expires_at, session.last_seen_at, session.created_at].map(Timestamp::micros);
    format!("{} {} {} {details}", times[0], times[1], times[2])
}

/// Decodes what [`encode`] has written. Errors do not repeat what was stored.
fn decode(user: UserId, id: SessionId, text: &str) -> StoreResult<Session> {
    let corrupt = |column, reason| corrupt(column, format!("{user}/{id}"), reason);
    let mut fields = text.splitn(4, ' ');
    let mut time = |column| {
        let micros = fields.next().and_then(|field| field.parse().ok());
        micros.map(Timestamp::from_micros).ok_or_else(|| corrupt(column, "expected microseconds since 1970"))
    };
    let (expires_at, last_seen_at, created_at) = (time("expires_at")?, time("last_seen_at")?, time("created_at")?);
    let details = fields.next().and_then(|field| serde_json::from_str(field).ok());
    let Details { device, ip } = details.ok_or_else(|| corrupt("details", "expected JSON with `device` and `ip`"))?;
    Ok(Session { id, user, device, ip, created_at, last_seen_at, expires_at })
}

/// Decodes an entry of the hash of a user's sessions.
fn decode_entry(user: UserId, id: &str, text: &str) -> StoreResult<Session> {
    let id = id.parse().map_err(|_| corrupt("id", user.to_string(), "expected a UUID"))?;
    decode(user, id, text)
}

fn corrupt(column: &'static str, key: String, reason: &str) -> StoreError {
    StoreError::Corrupt { table: "sessions", column, key, reason: reason.to_owned() }
}

/// First digits of the hash of a token: enough to find its key, too few to stand for the token.
fn abbreviated(token: &TokenHash) -> String {
    token.as_str().chars().take(16).collect()
}

/// Milliseconds from `now` to `time`, at least 1: Redis rejects a time to live of 0.
fn millis_until(time: Timestamp, now: Timestamp) -> i64 {
    ((time.micros() - now.micros()) / 1_000).max(1)
}

impl RedisSessions {
    /// Stores the user of a refresh token. This alone makes no token valid: a valid token also has a key of its own in the
    /// slot of its user.
    async fn set_token_owner(&self, token: &TokenHash, user: UserId, millis: i64) -> StoreResult<()> {
        let mut set = cmd("SET");
        set.arg(keys::owner(token)).arg(user.to_string()).arg("PX").arg(millis);
        self.connection.request("set_token_owner", Request::Command(&set)).await
    }

    /// Returns the user of a refresh token, or `None` if the token is unknown or has expired.
    async fn token_owner(&self, token: &TokenHash) -> StoreResult<Option<UserId>> {
        let mut get = cmd("GET");
        get.arg(keys::owner(token));
        let owner: Option<String> = self.connection.request("get_token_owner", Request::Command(&get)).await?;
        let parse = |owner: String| {
            owner.parse().map_err(|_| corrupt("owner", format!("owner:{}", abbreviated(token)), "expected a UUID"))
        };
        owner.map(parse).transpose()
    }
}

#[async_trait]
impl Sessions for RedisSessions {
    async fn open(&self, new: &NewSession) -> StoreResult<()> {
        let session = &new.session;
        let millis = millis_until(session.expires_at, session.created_at);
        self.set_token_owner(&new.refresh, session.user, millis).await?;
        let mut script = self.scripts.open.key(keys::sessions(session.user));
        script
            .key(keys::token(session.user, &new.refresh))
            .key(keys::database(session.user))
            .arg(session.id.to_string())
            .arg(encode(session))
            .arg(format!("{} {} -", session.id, session.expires_at.micros()))
            .arg(session.created_at.micros())
            .arg(millis)
            .arg(limits::SESSIONS)
            .arg(new.database.map_or_else(|| NO_HINT.to_owned(), |database| database.to_string()))
            .arg(HINT_MILLIS);
        let unreadable: Option<(String, String)> = self.connection.request("open", Request::Script(&script)).await?;
        let Some((id, text)) = unreadable else { return Ok(()) };
        decode_entry(session.user, &id, &text)?;
        Err(corrupt("session", format!("{}/{}", session.user, session.id), "the script cannot parse it"))
    }

    async fn authenticate(
        &self,
        user: UserId,
        id: SessionId,
        rate_limit: Option<&RateLimitRequest>,
        now: Timestamp,
    ) -> StoreResult<AuthOutcome> {
        let mut script = self.scripts.authenticate.key(keys::sessions(user));
        script.key(keys::last_active_day(user)).key(keys::database(user)).arg(id.to_string()).arg(now.micros());
        script.arg(now.plus_seconds(-LAST_SEEN_RESOLUTION_SECONDS).micros()).arg(now.day());
        if let Some(rate_limit) = rate_limit {
            script.key(keys::bucket(rate_limit));
            // While a slot is being moved, a call with a key that does not exist is refused.
            if !rate_limit.min_interval.is_zero() {
                script.key(keys::next_start(rate_limit));
            }
            script.arg(rate_limit.policy.micros_per_token()).arg(rate_limit.policy.tokens);
            script.arg(u64::try_from(rate_limit.min_interval.as_micros()).unwrap_or(0));
        }
        let (session, first, database, taken, missing, wait): AuthenticateReply =
            self.connection.request("authenticate", Request::Script(&script)).await?;
        let session = session.map(|text| decode(user, id, &text)).transpose()?;
        let bucket = rate_limit.and_then(|rate_limit| Some(rate_limit.policy.status(taken?, missing?)));
        let wait = Duration::from_micros(wait.unwrap_or(0));
        // `NO_HINT` is no id.
        let database = database.and_then(|id| id.parse().ok());
        Ok(AuthOutcome { session, rate_limit: bucket, wait, first_today: first.unwrap_or(false), database })
    }

    async fn set_database(&self, user: UserId, database: DatabaseId) -> StoreResult<()> {
        let mut set = cmd("SET");
        set.arg(keys::database(user)).arg(database.to_string()).arg("PX").arg(HINT_MILLIS);
        self.connection.request("set_database", Request::Command(&set)).await
    }

    async fn token_session(&self, token: &TokenHash, now: Timestamp) -> StoreResult<Option<(UserId, SessionId)>> {
        let Some(user) = self.token_owner(token).await? else { return Ok(None) };
        let mut get = cmd("GET");
        get.arg(keys::token(user, token));
        let stored: Option<String> = self.connection.request("get_token", Request::Command(&get)).await?;
        // `SESSION EXPIRES ROTATED`. One whose reuse has ended its session has another form.
        let session = stored.as_deref().and_then(|text| {
            let (id, rest) = text.split_once(' ')?;
            let expires_at: i64 = rest.split_once(' ')?.0.parse().ok()?;
            (expires_at > now.micros()).then(|| id.parse().ok())?
        });
        Ok(session.map(|id| (user, id)))
    }

    async fn rotate(
        &self,
        presented: &TokenHash,
        next: &TokenHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Rotation> {
        let Some(user) = self.token_owner(presented).await? else { return Ok(Rotation::Unknown) };
        let millis = millis_until(expires_at, now);
        self.set_token_owner(next, user, millis).await?;
        let mut script = self.scripts.rotate.key(keys::sessions(user));
        script
            .key(keys::token(user, presented))
            .key(keys::token(user, next))
            .key(keys::live_tokens(user))
            .arg(now.micros())
            .arg(now.plus_seconds(-ROTATION_GRACE_SECONDS).micros())
            .arg(expires_at.micros())
            .arg(SESSION_SECONDS * 1_000_000)
            .arg(LIVE_REFRESH_TOKENS);
        let (outcome, id, text): RotateReply = self.connection.request("rotate", Request::Script(&script)).await?;
        let Some(outcome) = outcome else { return Ok(Rotation::Unknown) };
        let (Some(id), Some(text)) = (id, text) else {
            let key = format!("{user}/{}", abbreviated(presented));
            return Err(corrupt("refresh_token", key, "expected `SESSION EXPIRES ROTATED`"));
        };
        let session = decode_entry(user, &id, &text)?;
        match outcome.as_str() {
            "reused" => Ok(Rotation::Reused(session)),
            "rotated" => {
                let expires_at = capped_expiry(session.created_at, expires_at);
                Ok(Rotation::Rotated(Session { expires_at, last_seen_at: now, ..session }))
            }
            _ => Err(corrupt("session", format!("{user}/{id}"), "the script cannot parse it")),
        }
    }

    async fn list(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        let mut get_all = cmd("HGETALL");
        get_all.arg(keys::sessions(user));
        let entries: HashMap<String, String> = self.connection.request("list", Request::Command(&get_all)).await?;
        let decoded = entries.iter().map(|(id, text)| decode_entry(user, id, text));
        let mut sessions = decoded.collect::<StoreResult<Vec<_>>>()?;
        sessions.retain(|session| session.expires_at > now);
        sessions.sort_by(|a, b| b.created_at.cmp(&a.created_at).then(a.id.cmp(&b.id)));
        Ok(sessions)
    }

    async fn end(&self, user: UserId, id: SessionId) -> StoreResult<bool> {
        let mut end = cmd("HDEL");
        end.arg(keys::sessions(user)).arg(id.to_string());
        let (existed, retried): (bool, bool) =
            self.connection.request_with_retry_flag("end", Request::Command(&end)).await?;
        // The first attempt may have ended it and lost its response.
        Ok(existed || retried)
    }

    async fn end_others(&self, user: UserId, except: Option<SessionId>) -> StoreResult<()> {
        let mut script = self.scripts.end_others.key(keys::sessions(user));
        script.key(keys::database(user)).arg(except.map(|id| id.to_string()).unwrap_or_default());
        self.connection.request("end_others", Request::Script(&script)).await
    }

    async fn ping(&self) -> StoreResult<()> {
        let () = self.connection.request("ping", Request::Command(&keys::write_ping())).await?;
        self.check_coverage().await
    }
}
