//! Calls as sequences of atomic steps.
//!
//! A call that concerns several stores is not atomic: its session is checked first, its effect comes later, and a password
//! change ends other sessions before and after it. Each such step is atomic, and other calls may come between two of them.

use shared::models::{Timestamp, limits};

use crate::Mismatch;
use crate::account::{Account, Claim, Rotation};
use crate::call::{Mail, Request, Response};
use crate::conflicts::Seen;
use crate::data::Data;

/// The state of the service: one account, its data, and the time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Model {
    /// The time.
    pub clock: Timestamp,
    /// The account.
    pub account: Account,
    /// Its data.
    pub data: Data,
}

/// The progress of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Progress {
    /// Steps taken.
    step: u8,
    /// The session that the call was authenticated by.
    session: Option<u32>,
    /// The number of the password that was checked.
    password: u32,
    /// The write of the conflict that a resolution has seen, if it names no revision.
    seen: Option<u64>,
    /// The mail that is claimed, and the mails sent so far.
    claim: Option<Claim>,
    sent: usize,
}

/// The result of a step.
pub(crate) enum Next {
    /// More steps follow.
    Continues(Box<Model>, Progress),
    /// The call has returned.
    Returned(Box<Model>),
}

/// Every way in which a step can explain the answer.
type Ways = Result<Vec<Next>, Mismatch>;

fn expect(holds: bool, answer: &Response, expected: &str) -> Result<(), Mismatch> {
    if holds { Ok(()) } else { Err(format!("{answer:?}, expected {expected}")) }
}

fn returned(model: Model) -> Ways {
    Ok(vec![Next::Returned(Box::new(model))])
}

fn tokens(answer: &Response) -> Option<(&str, &str)> {
    match answer {
        Response::Tokens { access, refresh } => Some((access, refresh)),
        _ => None,
    }
}

impl Model {
    /// A new account, at `now`.
    pub fn new(password: &str, now: Timestamp) -> Self {
        Self { clock: now, account: Account::new(password, now), data: Data::default() }
    }

    /// Takes the next step of `request`, whose answer was `answer`, with the clock read as `now`.
    pub(crate) fn step(mut self, request: &Request, answer: &Response, mut at: Progress, now: Timestamp) -> Ways {
        if at.step == 0
            && let Some(token) = bearer(request)
        {
            at.session = self.account.session_of(token, now);
            if at.session.is_none() {
                expect(answer.is_refused(401), answer, "401: the session has ended")?;
                return returned(self);
            }
            at.step = 1;
            return Ok(vec![Next::Continues(Box::new(self), at)]);
        }
        match request {
            Request::Resolve { conflict, revision: None, .. } if at.seen.is_none() && self.data.shows(conflict) => {
                at.seen = self.data.write_of(conflict);
                Ok(vec![Next::Continues(Box::new(self), at)])
            }
            Request::Upload { .. }
            | Request::Download { .. }
            | Request::Status { .. }
            | Request::ListConflicts { .. }
            | Request::Resolve { .. } => {
                self.sync(request, answer, at.seen, now)?;
                returned(self)
            }
            Request::OpenSession => {
                self.account.open_session(tokens(answer), now);
                returned(self)
            }
            Request::LogIn { password } => self.log_in(password, answer, at, now),
            Request::Refresh { refresh_token } => self.refresh(refresh_token, answer, at, now),
            Request::LogOut { .. } => {
                at.session.into_iter().for_each(|session| self.account.end_session(session));
                expect(*answer == Response::Done, answer, "200")?;
                returned(self)
            }
            Request::ShowProfile { .. } => {
                expect(answer.is_refused(401) != self.account.exists, answer, "200 while the account is there")?;
                returned(self)
            }
            Request::BeginDeletion => {
                self.account.begin_deletion();
                returned(self)
            }
            Request::DeleteAccount { password, .. } => self.delete_account(password, answer, at),
            Request::ChangePassword { current, new, .. } => self.change_password((current, new), answer, at, now),
            Request::RequestReset => {
                self.account.request_reset(now);
                expect(*answer == Response::Done, answer, "200")?;
                returned(self)
            }
            Request::ResetPassword { link, new } => self.reset_password((link, new), answer, at, now),
            Request::VerifyEmail { link } => {
                let works = self.account.verify_email(link, now);
                expect(if works { *answer == Response::Done } else { answer.is_refused(410) }, answer, "200 or 410")?;
                returned(self)
            }
            Request::DeliverMail => self.deliver_mail(answer, at, now),
            Request::Purge => self.purge(answer, at, now),
            Request::AdvanceClock { seconds } => {
                self.clock = self.clock.plus_seconds(*seconds);
                returned(self)
            }
        }
    }

    fn sync(
        &mut self,
        request: &Request,
        answer: &Response,
        seen: Option<u64>,
        now: Timestamp,
    ) -> Result<(), Mismatch> {
        if self.data.closed {
            return expect(answer.is_refused(401), answer, "401: the account is being deleted");
        }
        match (request, answer) {
            (Request::Upload { upload, .. }, Response::Uploaded(uploaded)) => self.data.upload(upload, uploaded, now),
            (Request::Download { device, since, limit, .. }, Response::Page(page)) => {
                self.data.page(device, *since, *limit, page)
            }
            (Request::Status { .. }, Response::Status(status)) => self.data.see_status(status),
            (Request::ListConflicts { .. }, Response::Conflicts(conflicts)) => self.data.see_conflicts(conflicts),
            (Request::Resolve { conflict, choice, revision, .. }, _) => {
                let seen = if let Some(revision) = revision { Seen::Revision(*revision) } else { Seen::Write(seen) };
                self.data.resolve(conflict, choice, seen, answer, now)
            }
            _ => expect(false, answer, "200"),
        }
    }

    /// The password is compared, a session is opened, and the password is compared once more: a change
    /// meanwhile has not ended this session.
    fn log_in(mut self, password: &str, answer: &Response, mut at: Progress, now: Timestamp) -> Ways {
        let is_right = self.account.exists && self.account.password == password;
        let refused = answer.is_refused(401);
        match at.step {
            0 if !is_right => {
                expect(refused, answer, "401: the password is wrong")?;
                return returned(self);
            }
            0 => {}
            1 => at.session = Some(self.account.open_session(tokens(answer), now)),
            _ if is_right => {
                expect(tokens(answer).is_some(), answer, "tokens")?;
                return returned(self);
            }
            _ => {
                at.session.into_iter().for_each(|session| self.account.end_session(session));
                expect(refused, answer, "401: the password was changed meanwhile")?;
                return returned(self);
            }
        }
        at.step += 1;
        Ok(vec![Next::Continues(Box::new(self), at)])
    }

    fn refresh(mut self, presented: &str, answer: &Response, mut at: Progress, now: Timestamp) -> Ways {
        if at.step > 0 {
            let expected = if self.account.exists { tokens(answer).is_some() } else { answer.is_refused(401) };
            expect(expected, answer, "tokens while the account is there")?;
            return returned(self);
        }
        match self.account.rotate(presented, tokens(answer), now) {
            Rotation::Rotated => {
                at.step = 1;
                Ok(vec![Next::Continues(Box::new(self), at)])
            }
            Rotation::Reused => {
                let is_reuse = matches!(answer, Response::Refused { code, .. } if code == "REFRESH_TOKEN_REUSED");
                expect(is_reuse, answer, "REFRESH_TOKEN_REUSED")?;
                returned(self)
            }
            Rotation::Unknown => {
                let is_unknown = matches!(answer, Response::Refused { code, .. } if code == "UNAUTHORIZED");
                expect(is_unknown, answer, "UNAUTHORIZED")?;
                returned(self)
            }
        }
    }

    /// The account is gone first, then its sessions, then its data. Where it is gone already, the rest is done all the same.
    fn delete_account(mut self, password: &str, answer: &Response, mut at: Progress) -> Ways {
        match at.step {
            1 if self.account.exists => {
                if self.account.password != password {
                    expect(answer.is_refused(401), answer, "401: the password is wrong")?;
                    return returned(self);
                }
                self.account.begin_deletion();
            }
            1 => {}
            2 => self.account.end_sessions_but(None),
            _ => {
                self.data.close();
                expect(*answer == Response::Done, answer, "200")?;
                return returned(self);
            }
        }
        at.step += 1;
        Ok(vec![Next::Continues(Box::new(self), at)])
    }

    /// Other sessions are ended before the password is changed, so that a failure in between leaves none of them, and
    /// again after it. Of two changes at once the later is refused; its first step counts all the same.
    fn change_password(
        mut self,
        (current, new): (&str, &str),
        answer: &Response,
        mut at: Progress,
        now: Timestamp,
    ) -> Ways {
        match at.step {
            1 if !self.account.exists || self.account.password != current => {
                expect(answer.is_refused(401), answer, "401: the password is wrong")?;
                return returned(self);
            }
            1 => at.password = self.account.password_number,
            2 | 4 => self.account.end_sessions_but(at.session),
            3 => {
                if !self.account.change_password(at.password, new, now) {
                    let status = if self.account.exists { 409 } else { 401 };
                    expect(answer.is_refused(status), answer, "409: another request changed the password")?;
                    return returned(self);
                }
            }
            _ => {
                expect(*answer == Response::Done, answer, "200")?;
                return returned(self);
            }
        }
        at.step += 1;
        Ok(vec![Next::Continues(Box::new(self), at)])
    }

    /// As [`change_password`](Self::change_password), but that no session is spared.
    fn reset_password(
        mut self,
        (link, new): (&str, &str),
        answer: &Response,
        mut at: Progress,
        now: Timestamp,
    ) -> Ways {
        let spent = |model| {
            expect(answer.is_refused(410), answer, "410: the link does not work")?;
            returned(model)
        };
        match at.step {
            0 if !self.account.link_works(crate::MailKind::ResetPassword, link, now) => return spent(self),
            2 if !self.account.reset_password(link, new, now) => return spent(self),
            0 | 2 => {}
            1 | 3 => self.account.end_sessions_but(None),
            _ => {
                expect(*answer == Response::Done, answer, "200")?;
                return returned(self);
            }
        }
        at.step += 1;
        Ok(vec![Next::Continues(Box::new(self), at)])
    }

    /// Claims a mail, sends it if it is still wanted, settles it, and goes on with the next.
    fn deliver_mail(mut self, answer: &Response, mut at: Progress, now: Timestamp) -> Ways {
        let Response::Mails(mails) = answer else { return expect(false, answer, "mails").map(|()| Vec::new()) };
        let Some(claim) = at.claim else {
            let due = self.account.due_mails(now);
            if due.is_empty() {
                expect(at.sent == mails.len(), answer, &format!("{} mails", at.sent))?;
                return returned(self);
            }
            let claimed = |kind| {
                let mut model = self.clone();
                let claim = model.account.claim(kind, now);
                Next::Continues(Box::new(model), Progress { step: 0, claim, ..at })
            };
            return Ok(due.into_iter().map(claimed).collect());
        };
        if at.step == 0 && self.account.wants(claim) {
            let mail: &Mail = mails.get(at.sent).ok_or_else(|| format!("{answer:?}, expected a {:?}", claim.kind))?;
            expect(mail.kind == claim.kind, answer, &format!("{:?} at {}", claim.kind, at.sent))?;
            self.account.send(mail, now);
            (at.step, at.sent) = (1, at.sent + 1);
        } else {
            self.account.settle(claim);
            (at.step, at.claim) = (0, None);
        }
        Ok(vec![Next::Continues(Box::new(self), at)])
    }

    /// Finishes a deletion that has begun, then removes what is old enough.
    fn purge(mut self, answer: &Response, mut at: Progress, now: Timestamp) -> Ways {
        match at.step {
            // Nothing is left to do of a deletion that has not begun.
            0 if self.account.exists => at.step = 2,
            0 => self.account.end_sessions_but(None),
            1 => self.data.close(),
            _ => {
                let cutoff = now.plus_seconds(-limits::RETENTION_DAYS * 24 * 3_600);
                let (tombstones, conflicts) = self.data.purge(cutoff);
                let expected = Response::Purged { tombstones, conflicts };
                expect(*answer == expected, answer, &format!("{expected:?}"))?;
                return returned(self);
            }
        }
        at.step += 1;
        Ok(vec![Next::Continues(Box::new(self), at)])
    }
}

fn bearer(request: &Request) -> Option<&str> {
    match request {
        Request::Upload { token, .. }
        | Request::Download { token, .. }
        | Request::Status { token }
        | Request::ListConflicts { token }
        | Request::Resolve { token, .. }
        | Request::LogOut { token }
        | Request::ShowProfile { token }
        | Request::DeleteAccount { token, .. }
        | Request::ChangePassword { token, .. } => Some(token),
        _ => None,
    }
}
