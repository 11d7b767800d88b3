//! The account: its password, sessions, email links and outbox.

use std::collections::{BTreeMap, BTreeSet};

use shared::models::Timestamp;

use crate::response::{Email, EmailKind};

/// Duration for which a rotated refresh token still works, in seconds.
const ROTATION_GRACE_SECONDS: i64 = 10;
/// Lifetime of a session and of its newest refresh token, in seconds.
const SESSION_SECONDS: i64 = 7 * 24 * 3_600;
/// Duration of a claim of an email, in seconds.
const CLAIM_SECONDS: i64 = 60;
/// Minimum interval between two links of the same kind, in seconds.
const LINK_COOLDOWN_SECONDS: i64 = 60;

/// Token in an email.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmailLink {
    /// The token.
    pub token: String,
    /// Expiry time.
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RefreshToken {
    session: u32,
    rotated_at: Option<Timestamp>,
    expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct QueuedEmail {
    queued_at: Timestamp,
    /// Time at which the email is due; `None` once it is completed.
    due_at: Option<Timestamp>,
    attempts: u32,
}

/// Claim of an email by an outbox worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) kind: EmailKind,
    queued_at: Timestamp,
    attempts: u32,
}

/// The result of presenting a refresh token.
pub(crate) enum Rotation {
    Rotated,
    Reused,
    Unknown,
}

/// The account and everything that belongs to it except its sync data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// False as soon as the deletion of the account begins.
    pub(crate) exists: bool,
    pub(crate) password: String,
    /// Number of times that the password was set. Distinguishes two equal passwords.
    pub(crate) password_number: u32,
    is_verified: bool,
    sessions: BTreeMap<u32, Timestamp>,
    next_session: u32,
    access_tokens: BTreeMap<String, u32>,
    refresh_tokens: BTreeMap<String, RefreshToken>,
    links: BTreeMap<EmailKind, EmailLink>,
    outbox: BTreeMap<EmailKind, QueuedEmail>,
}

impl Account {
    /// Creates an account at `now` and queues its verification email.
    pub fn new(password: &str, now: Timestamp) -> Self {
        let mut account = Self {
            exists: true,
            password: password.to_owned(),
            password_number: 0,
            is_verified: false,
            sessions: BTreeMap::new(),
            next_session: 0,
            access_tokens: BTreeMap::new(),
            refresh_tokens: BTreeMap::new(),
            links: BTreeMap::new(),
            outbox: BTreeMap::new(),
        };
        account.queue(EmailKind::VerifyEmail, now);
        account
    }

    /// Opens a session at `now` with `tokens`, if the response contained them; returns its number.
    pub fn open_session(&mut self, tokens: Option<(&str, &str)>, now: Timestamp) -> u32 {
        let session = self.next_session;
        let expires_at = now.plus_seconds(SESSION_SECONDS);
        self.next_session += 1;
        self.sessions.insert(session, expires_at);
        if let Some((access, refresh)) = tokens {
            self.access_tokens.insert(access.to_owned(), session);
            let token = RefreshToken { session, rotated_at: None, expires_at };
            self.refresh_tokens.insert(refresh.to_owned(), token);
        }
        session
    }

    /// Returns the unexpired session of an access token.
    pub(crate) fn session_of(&self, access: &str, now: Timestamp) -> Option<u32> {
        let session = *self.access_tokens.get(access)?;
        self.sessions.get(&session).is_some_and(|expires_at| *expires_at > now).then_some(session)
    }

    pub(crate) fn end_session(&mut self, session: u32) {
        self.sessions.remove(&session);
    }

    /// Ends all sessions except `except`.
    pub(crate) fn end_sessions_except(&mut self, except: Option<u32>) {
        self.sessions.retain(|session, _| Some(*session) == except);
    }

    /// Exchanges the refresh token `presented` for the pair `next`.
    pub(crate) fn rotate(&mut self, presented: &str, next: Option<(&str, &str)>, now: Timestamp) -> Rotation {
        let Some(token) = self.refresh_tokens.get_mut(presented).filter(|token| token.expires_at > now) else {
            return Rotation::Unknown;
        };
        let session = token.session;
        if !self.sessions.contains_key(&session) {
            return Rotation::Unknown;
        }
        if token.rotated_at.is_some_and(|rotated_at| rotated_at < now.plus_seconds(-ROTATION_GRACE_SECONDS)) {
            self.sessions.remove(&session);
            return Rotation::Reused;
        }
        token.rotated_at.get_or_insert(now);
        let expires_at = now.plus_seconds(SESSION_SECONDS);
        self.sessions.insert(session, expires_at);
        if let Some((access, refresh)) = next {
            self.access_tokens.insert(access.to_owned(), session);
            let token = RefreshToken { session, rotated_at: None, expires_at };
            self.refresh_tokens.insert(refresh.to_owned(), token);
        }
        Rotation::Rotated
    }

    fn queue(&mut self, kind: EmailKind, now: Timestamp) {
        self.outbox.insert(kind, QueuedEmail { queued_at: now, due_at: Some(now), attempts: 0 });
    }

    fn mark_completed(&mut self, kind: EmailKind) {
        self.outbox.get_mut(&kind).into_iter().for_each(|mail| mail.due_at = None);
    }

    /// Queues a password reset link, unless one was queued within [`LINK_COOLDOWN_SECONDS`].
    pub(crate) fn request_reset(&mut self, now: Timestamp) {
        let last = self.outbox.get(&EmailKind::ResetPassword).map(|mail| mail.queued_at);
        if self.exists && last.is_none_or(|last| last <= now.plus_seconds(-LINK_COOLDOWN_SECONDS)) {
            self.queue(EmailKind::ResetPassword, now);
        }
    }

    fn set_password(&mut self, password: &str, now: Timestamp) {
        password.clone_into(&mut self.password);
        self.password_number += 1;
        self.links.remove(&EmailKind::ResetPassword);
        self.mark_completed(EmailKind::ResetPassword);
        self.queue(EmailKind::PasswordChanged, now);
    }

    /// Changes the password if its number is still `expected`; returns whether it did.
    pub(crate) fn change_password(&mut self, expected: u32, password: &str, now: Timestamp) -> bool {
        let is_current = self.exists && self.password_number == expected;
        if is_current {
            self.set_password(password, now);
        }
        is_current
    }

    /// Returns whether the link is the current one and not expired.
    pub(crate) fn is_link_valid(&self, kind: EmailKind, token: &str, now: Timestamp) -> bool {
        self.links.get(&kind).is_some_and(|link| link.token == token && link.expires_at > now)
    }

    /// Sets a new password with a link; returns whether the link was valid.
    pub(crate) fn reset_password(&mut self, token: &str, password: &str, now: Timestamp) -> bool {
        if !self.is_link_valid(EmailKind::ResetPassword, token, now) {
            return false;
        }
        self.set_password(password, now);
        self.links.remove(&EmailKind::VerifyEmail);
        self.verify(now);
        true
    }

    /// Verifies the address with a link; returns whether the link was valid.
    pub(crate) fn verify_email(&mut self, token: &str, now: Timestamp) -> bool {
        let is_valid = self.is_link_valid(EmailKind::VerifyEmail, token, now);
        if is_valid {
            self.links.remove(&EmailKind::VerifyEmail);
            self.verify(now);
        }
        is_valid
    }

    fn verify(&mut self, now: Timestamp) {
        self.mark_completed(EmailKind::VerifyEmail);
        if !self.is_verified {
            self.is_verified = true;
            self.queue(EmailKind::Welcome, now);
        }
    }

    /// Returns the emails that can be claimed next: those with the earliest due time.
    pub(crate) fn due_emails(&self, now: Timestamp) -> BTreeSet<EmailKind> {
        let due_at = |mail: &QueuedEmail| mail.due_at.filter(|due_at| *due_at <= now);
        let Some(first) = self.outbox.values().filter_map(due_at).min() else { return BTreeSet::new() };
        self.outbox.iter().filter(|(_, mail)| mail.due_at == Some(first)).map(|(kind, _)| *kind).collect()
    }

    /// Claims an email that is due.
    pub(crate) fn claim(&mut self, kind: EmailKind, now: Timestamp) -> Option<Claim> {
        let mail = self.outbox.get_mut(&kind)?;
        mail.due_at = Some(now.plus_seconds(CLAIM_SECONDS));
        mail.attempts += 1;
        Some(Claim { kind, queued_at: mail.queued_at, attempts: mail.attempts })
    }

    /// Returns whether the email is still needed and still claimed by `claim`.
    pub(crate) fn is_needed(&self, claim: Claim) -> bool {
        let is_pending = |mail: &QueuedEmail| mail.due_at.is_some() && self.is_claimed(claim);
        match claim.kind {
            EmailKind::VerifyEmail => !self.is_verified && self.outbox.get(&claim.kind).is_some_and(is_pending),
            EmailKind::ResetPassword => self.outbox.get(&claim.kind).is_some_and(is_pending),
            EmailKind::Welcome | EmailKind::PasswordChanged => self.exists,
        }
    }

    fn is_claimed(&self, claim: Claim) -> bool {
        let matches_claim = |mail: &QueuedEmail| mail.queued_at == claim.queued_at && mail.attempts == claim.attempts;
        self.outbox.get(&claim.kind).is_some_and(matches_claim)
    }

    /// Sends the email; its link replaces the previous one.
    pub(crate) fn send(&mut self, mail: &Email, now: Timestamp) {
        let hours = if mail.kind == EmailKind::VerifyEmail { 24 } else { 1 };
        if let Some(token) = mail.link.clone() {
            self.links.insert(mail.kind, EmailLink { token, expires_at: now.plus_seconds(hours * 3_600) });
        }
    }

    /// Completes the email, unless it was queued or claimed again.
    pub(crate) fn complete(&mut self, claim: Claim) {
        if self.is_claimed(claim) {
            self.mark_completed(claim.kind);
        }
    }

    /// Removes the account with its links and emails. Its sessions and sync data are removed by later steps.
    pub(crate) fn begin_deletion(&mut self) {
        self.exists = false;
        self.links.clear();
        self.outbox.clear();
    }
}
