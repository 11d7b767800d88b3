//! The account, its sessions, the links in its mails, and the mails that wait.

use std::collections::{BTreeMap, BTreeSet};

use shared::models::Timestamp;

use crate::call::{Mail, MailKind};

/// Seconds for which a rotated refresh token still works.
const GRACE: i64 = 10;
/// Seconds for which a session, and its newest refresh token, live.
const SESSION: i64 = 7 * 24 * 3_600;
/// Seconds for which a claimed mail is left to its claimant.
const CLAIM: i64 = 60;
/// Seconds that lie between two links of a kind.
const LINK_COOLDOWN_SECONDS: i64 = 60;

/// A token in a mail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Link {
    /// The token.
    pub token: String,
    /// Until when it works.
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RefreshToken {
    session: u32,
    rotated_at: Option<Timestamp>,
    expires_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct QueuedMail {
    queued_at: Timestamp,
    /// `None` once it was sent or dropped.
    due_at: Option<Timestamp>,
    attempts: u32,
}

/// The claim of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) kind: MailKind,
    queued_at: Timestamp,
    attempts: u32,
}

/// The result of presenting a refresh token.
pub(crate) enum Rotation {
    Rotated,
    Reused,
    Unknown,
}

/// The account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// Whether it is there: it is gone as soon as its deletion begins.
    pub(crate) exists: bool,
    pub(crate) password: String,
    /// Number of times that the password was set: tells two equal passwords apart.
    pub(crate) password_number: u32,
    is_verified: bool,
    sessions: BTreeMap<u32, Timestamp>,
    next_session: u32,
    access_tokens: BTreeMap<String, u32>,
    refresh_tokens: BTreeMap<String, RefreshToken>,
    links: BTreeMap<MailKind, Link>,
    outbox: BTreeMap<MailKind, QueuedMail>,
}

impl Account {
    /// An account that was made at `now`; the mail with its link waits.
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
        account.queue(MailKind::VerifyEmail, now);
        account
    }

    /// Opens a session at `now`, with these tokens if they were given out; its number.
    pub fn open_session(&mut self, tokens: Option<(&str, &str)>, now: Timestamp) -> u32 {
        let session = self.next_session;
        let expires_at = now.plus_seconds(SESSION);
        self.next_session += 1;
        self.sessions.insert(session, expires_at);
        if let Some((access, refresh)) = tokens {
            self.access_tokens.insert(access.to_owned(), session);
            let token = RefreshToken { session, rotated_at: None, expires_at };
            self.refresh_tokens.insert(refresh.to_owned(), token);
        }
        session
    }

    /// The living session that an access token belongs to.
    pub(crate) fn session_of(&self, access: &str, now: Timestamp) -> Option<u32> {
        let session = *self.access_tokens.get(access)?;
        self.sessions.get(&session).is_some_and(|expires_at| *expires_at > now).then_some(session)
    }

    pub(crate) fn end_session(&mut self, session: u32) {
        self.sessions.remove(&session);
    }

    /// Ends all sessions but `spared`.
    pub(crate) fn end_sessions_but(&mut self, spared: Option<u32>) {
        self.sessions.retain(|session, _| Some(*session) == spared);
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
        if token.rotated_at.is_some_and(|rotated_at| rotated_at < now.plus_seconds(-GRACE)) {
            self.sessions.remove(&session);
            return Rotation::Reused;
        }
        token.rotated_at.get_or_insert(now);
        let expires_at = now.plus_seconds(SESSION);
        self.sessions.insert(session, expires_at);
        if let Some((access, refresh)) = next {
            self.access_tokens.insert(access.to_owned(), session);
            let token = RefreshToken { session, rotated_at: None, expires_at };
            self.refresh_tokens.insert(refresh.to_owned(), token);
        }
        Rotation::Rotated
    }

    fn queue(&mut self, kind: MailKind, now: Timestamp) {
        self.outbox.insert(kind, QueuedMail { queued_at: now, due_at: Some(now), attempts: 0 });
    }

    fn settle_kind(&mut self, kind: MailKind) {
        self.outbox.get_mut(&kind).into_iter().for_each(|mail| mail.due_at = None);
    }

    /// Queues a link to choose a new password, unless one was queued just before.
    pub(crate) fn request_reset(&mut self, now: Timestamp) {
        let last = self.outbox.get(&MailKind::ResetPassword).map(|mail| mail.queued_at);
        if self.exists && last.is_none_or(|last| last <= now.plus_seconds(-LINK_COOLDOWN_SECONDS)) {
            self.queue(MailKind::ResetPassword, now);
        }
    }

    fn set_password(&mut self, password: &str, now: Timestamp) {
        password.clone_into(&mut self.password);
        self.password_number += 1;
        self.links.remove(&MailKind::ResetPassword);
        self.settle_kind(MailKind::ResetPassword);
        self.queue(MailKind::PasswordChanged, now);
    }

    /// Changes the password, if it is still the one that was set as number `expected`.
    pub(crate) fn change_password(&mut self, expected: u32, password: &str, now: Timestamp) -> bool {
        let is_current = self.exists && self.password_number == expected;
        if is_current {
            self.set_password(password, now);
        }
        is_current
    }

    /// Whether the link for `kind` works.
    pub(crate) fn link_works(&self, kind: MailKind, token: &str, now: Timestamp) -> bool {
        self.links.get(&kind).is_some_and(|link| link.token == token && link.expires_at > now)
    }

    /// Uses a link to set a new password; whether it worked.
    pub(crate) fn reset_password(&mut self, token: &str, password: &str, now: Timestamp) -> bool {
        if !self.link_works(MailKind::ResetPassword, token, now) {
            return false;
        }
        self.set_password(password, now);
        self.links.remove(&MailKind::VerifyEmail);
        self.verify(now);
        true
    }

    /// Uses a link to verify the address; whether it worked.
    pub(crate) fn verify_email(&mut self, token: &str, now: Timestamp) -> bool {
        let works = self.link_works(MailKind::VerifyEmail, token, now);
        if works {
            self.links.remove(&MailKind::VerifyEmail);
            self.verify(now);
        }
        works
    }

    fn verify(&mut self, now: Timestamp) {
        self.settle_kind(MailKind::VerifyEmail);
        if !self.is_verified {
            self.is_verified = true;
            self.queue(MailKind::Welcome, now);
        }
    }

    /// The mails of which one may be claimed next: those that have been due for longest.
    pub(crate) fn due_mails(&self, now: Timestamp) -> BTreeSet<MailKind> {
        let due_at = |mail: &QueuedMail| mail.due_at.filter(|due_at| *due_at <= now);
        let Some(first) = self.outbox.values().filter_map(due_at).min() else { return BTreeSet::new() };
        self.outbox.iter().filter(|(_, mail)| mail.due_at == Some(first)).map(|(kind, _)| *kind).collect()
    }

    /// Claims a mail that is due.
    pub(crate) fn claim(&mut self, kind: MailKind, now: Timestamp) -> Option<Claim> {
        let mail = self.outbox.get_mut(&kind)?;
        mail.due_at = Some(now.plus_seconds(CLAIM));
        mail.attempts += 1;
        Some(Claim { kind, queued_at: mail.queued_at, attempts: mail.attempts })
    }

    /// Whether the mail is still wanted, and still claimed by `claim`.
    pub(crate) fn wants(&self, claim: Claim) -> bool {
        let waits = |mail: &QueuedMail| mail.due_at.is_some() && self.is_claimed(claim);
        match claim.kind {
            MailKind::VerifyEmail => !self.is_verified && self.outbox.get(&claim.kind).is_some_and(waits),
            MailKind::ResetPassword => self.outbox.get(&claim.kind).is_some_and(waits),
            MailKind::Welcome | MailKind::PasswordChanged => self.exists,
        }
    }

    fn is_claimed(&self, claim: Claim) -> bool {
        let of_claim = |mail: &QueuedMail| mail.queued_at == claim.queued_at && mail.attempts == claim.attempts;
        self.outbox.get(&claim.kind).is_some_and(of_claim)
    }

    /// Sends the mail: its link replaces the one before.
    pub(crate) fn send(&mut self, mail: &Mail, now: Timestamp) {
        let hours = if mail.kind == MailKind::VerifyEmail { 24 } else { 1 };
        if let Some(token) = mail.link.clone() {
            self.links.insert(mail.kind, Link { token, expires_at: now.plus_seconds(hours * 3_600) });
        }
    }

    /// Settles the mail, unless it was queued anew or claimed again.
    pub(crate) fn settle(&mut self, claim: Claim) {
        if self.is_claimed(claim) {
            self.settle_kind(claim.kind);
        }
    }

    /// The account is gone, with its links and mails; its sessions and data follow.
    pub(crate) fn begin_deletion(&mut self) {
        self.exists = false;
        self.links.clear();
        self.outbox.clear();
    }
}
