//! Calls as sequences of atomic steps.
//!
//! A call that uses several stores is not atomic: it authenticates first and takes effect later, and a password change
//! ends other sessions before and after the change. Each step is atomic, and steps of other calls may run between two
//! steps.

use shared::models::{Timestamp, limits};

use crate::Mismatch;
use crate::account::{Account, Claim, Rotation};
use crate::call::Request;
use crate::conflicts::SeenState;
use crate::data::Data;
use crate::response::{Email, EmailKind, Response};

/// State of the service: one account, its data and the clock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Model {
    /// The clock.
    pub clock: Timestamp,
    /// The account.
    pub account: Account,
    /// Sync data of the account.
    pub data: Data,
    /// Whether the user may be moved between databases. A move changes nothing that a client reads. While it lasts, calls on sync data
    /// may be refused, without effect.
    pub has_moves: bool,
}

/// Progress of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Progress {
    /// Number of completed steps.
    step: u8,
    /// Session that authenticated the call.
    session: Option<u32>,
    /// Number of the password that was checked.
    password: u32,
    /// Time of the conflict that a resolution without a revision has read.
    seen: Option<Timestamp>,
    /// Claimed email, and number of emails sent so far.
    claim: Option<Claim>,
    sent: usize,
}

/// Outcome of a step.
pub(crate) enum StepOutcome {
    /// More steps follow.
    Continues(Box<Model>, Progress),
    /// The call returns.
    Returned(Box<Model>),
}

/// All outcomes of a step that are consistent with the response.
type StepResult = Result<Vec<StepOutcome>, Mismatch>;

fn ensure(condition: bool, response: &Response, expected: &str) -> Result<(), Mismatch> {
    if condition { Ok(()) } else { Err(format!("{response:?}, expected {expected}")) }
}

fn returned(model: Model) -> StepResult {
    Ok(vec![StepOutcome::Returned(Box::new(model))])
}

fn tokens(response: &Response) -> Option<(&str, &str)> {
    match response {
        Response::Tokens { access, refresh } => Some((access, refresh)),
        _ => None,
    }
}

impl Model {
    /// Creates the state of a new account at `now`.
    pub fn new(password: &str, now: Timestamp) -> Self {
        Self { clock: now, account: Account::new(password, now), data: Data::default(), has_moves: false }
    }

    /// Executes the next step of `request` at the clock value `now`, given the response `response`.
    pub(crate) fn step(
        mut self,
        request: &Request,
        response: &Response,
        mut progress: Progress,
        now: Timestamp,
    ) -> StepResult {
        if progress.step == 0
            && let Some(token) = bearer(request)
        {
            progress.session = self.account.session_of(token, now);
            if progress.session.is_none() {
                ensure(response.is_refused(401), response, "401: the session has ended")?;
                return returned(self);
            }
            progress.step = 1;
            return Ok(vec![StepOutcome::Continues(Box::new(self), progress)]);
        }
        match request {
            Request::Resolve { conflict, revision: None, .. }
                if progress.seen.is_none() && self.data.has_conflict(conflict) =>
            {
                progress.seen = self.data.time_of_conflict(conflict);
                Ok(vec![StepOutcome::Continues(Box::new(self), progress)])
            }
            Request::Upload { .. }
            | Request::Download { .. }
            | Request::Status { .. }
            | Request::ListConflicts { .. }
            | Request::Resolve { .. }
            | Request::ListVersions { .. }
            | Request::Restore { .. } => {
                self.sync(request, response, progress.seen, now)?;
                returned(self)
            }
            Request::OpenSession => {
                self.account.open_session(tokens(response), now);
                returned(self)
            }
            Request::LogIn { password } => self.log_in(password, response, progress, now),
            Request::Refresh { refresh_token } => self.refresh(refresh_token, response, progress, now),
            Request::LogOut { .. } => {
                progress.session.into_iter().for_each(|session| self.account.end_session(session));
                ensure(*response == Response::Done, response, "200")?;
                returned(self)
            }
            Request::ShowProfile { .. } => {
                ensure(response.is_refused(401) != self.account.exists, response, "200 while the account exists")?;
                returned(self)
            }
            Request::BeginDeletion => {
                self.account.begin_deletion();
                returned(self)
            }
            Request::DeleteAccount { password, .. } => self.delete_account(password, response, progress),
            Request::ChangePassword { current, new, .. } => {
                self.change_password((current, new), response, progress, now)
            }
            Request::RequestReset => {
                self.account.request_reset(now);
                ensure(*response == Response::Done, response, "200")?;
                returned(self)
            }
            Request::ResetPassword { link, new } => self.reset_password((link, new), response, progress, now),
            Request::VerifyEmail { link } => {
                let is_valid = self.account.verify_email(link, now);
                ensure(
                    if is_valid { *response == Response::Done } else { response.is_refused(410) },
                    response,
                    "200 or 410",
                )?;
                returned(self)
            }
            Request::DeliverEmail => self.deliver_email(response, progress, now),
            Request::Purge => self.purge(response, progress, now),
            Request::MoveUser { .. } => {
                ensure(*response == Response::Done, response, "the end of the move")?;
                returned(self)
            }
            Request::AdvanceClock { seconds } => {
                self.clock = self.clock.plus_seconds(*seconds);
                returned(self)
            }
        }
    }

    fn sync(
        &mut self,
        request: &Request,
        response: &Response,
        seen: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Mismatch> {
        if self.data.closed {
            return ensure(response.is_refused(401), response, "401: the account is being deleted");
        }
        if self.has_moves && response.has_code("SERVICE_UNAVAILABLE") {
            return Ok(());
        }
        match (request, response) {
            (Request::Upload { upload, .. }, Response::Uploaded(uploaded)) => self.data.upload(upload, uploaded, now),
            (Request::Download { since, limit, item_type, .. }, Response::Page(page)) => {
                self.data.check_page(*since, *limit, *item_type, page)
            }
            (Request::Status { .. }, Response::Status(status)) => self.data.check_status(status),
            (Request::ListConflicts { .. }, Response::Conflicts(conflicts)) => self.data.check_conflict_list(conflicts),
            (Request::Resolve { conflict, choice, revision, .. }, _) => {
                let seen =
                    if let Some(revision) = revision { SeenState::Revision(*revision) } else { SeenState::At(seen) };
                self.data.resolve(conflict, choice, seen, response, now)
            }
            (Request::ListVersions { key, .. }, _) => self.data.check_versions(key, response),
            (Request::Restore { key, version, expected, .. }, _) => {
                self.data.restore(key, (*version, *expected), response, now)
            }
            _ => ensure(false, response, "200"),
        }
    }

    /// Compares the password, opens a session, and compares the password again: a concurrent password change has not
    /// ended the new session.
    fn log_in(mut self, password: &str, response: &Response, mut progress: Progress, now: Timestamp) -> StepResult {
        let is_right = self.account.exists && self.account.password == password;
        let refused = response.is_refused(401);
        match progress.step {
            0 if !is_right => {
                ensure(refused, response, "401: the password is wrong")?;
                return returned(self);
            }
            0 => {}
            1 => progress.session = Some(self.account.open_session(tokens(response), now)),
            _ if is_right => {
                ensure(tokens(response).is_some(), response, "tokens")?;
                return returned(self);
            }
            _ => {
                progress.session.into_iter().for_each(|session| self.account.end_session(session));
                ensure(refused, response, "401: the password was changed concurrently")?;
                return returned(self);
            }
        }
        progress.step += 1;
        Ok(vec![StepOutcome::Continues(Box::new(self), progress)])
    }

    fn refresh(mut self, presented: &str, response: &Response, mut progress: Progress, now: Timestamp) -> StepResult {
        if progress.step > 0 {
            let expected = if self.account.exists { tokens(response).is_some() } else { response.is_refused(401) };
            ensure(expected, response, "tokens while the account exists")?;
            return returned(self);
        }
        match self.account.rotate(presented, tokens(response), now) {
            Rotation::Rotated => {
                progress.step = 1;
                Ok(vec![StepOutcome::Continues(Box::new(self), progress)])
            }
            Rotation::Reused => {
                let is_reuse = matches!(response, Response::Refused { code, .. } if code == "REFRESH_TOKEN_REUSED");
                ensure(is_reuse, response, "REFRESH_TOKEN_REUSED")?;
                returned(self)
            }
            Rotation::Unknown => {
                let is_unknown = matches!(response, Response::Refused { code, .. } if code == "UNAUTHORIZED");
                ensure(is_unknown, response, "UNAUTHORIZED")?;
                returned(self)
            }
        }
    }

    /// Deletes the account, then its sessions, then its data. Repeats the later steps if the account is already
    /// deleted.
    fn delete_account(mut self, password: &str, response: &Response, mut progress: Progress) -> StepResult {
        match progress.step {
            1 if self.account.exists => {
                if self.account.password != password {
                    ensure(response.is_refused(401), response, "401: the password is wrong")?;
                    return returned(self);
                }
                self.account.begin_deletion();
            }
            1 => {}
            2 => self.account.end_sessions_except(None),
            _ => {
                self.data.close();
                ensure(*response == Response::Done, response, "200")?;
                return returned(self);
            }
        }
        progress.step += 1;
        Ok(vec![StepOutcome::Continues(Box::new(self), progress)])
    }

    /// Ends other sessions before the password is changed, so that a failure in between leaves none of them, and again
    /// afterwards. The later of two concurrent changes is refused, but its first step takes effect.
    fn change_password(
        mut self,
        (current, new): (&str, &str),
        response: &Response,
        mut progress: Progress,
        now: Timestamp,
    ) -> StepResult {
        match progress.step {
            1 if !self.account.exists || self.account.password != current => {
                ensure(response.is_refused(401), response, "401: the password is wrong")?;
                return returned(self);
            }
            1 => progress.password = self.account.password_number,
            2 | 4 => self.account.end_sessions_except(progress.session),
            3 => {
                if !self.account.change_password(progress.password, new, now) {
                    let status = if self.account.exists { 409 } else { 401 };
                    ensure(response.is_refused(status), response, "409: another request changed the password")?;
                    return returned(self);
                }
            }
            _ => {
                ensure(*response == Response::Done, response, "200")?;
                return returned(self);
            }
        }
        progress.step += 1;
        Ok(vec![StepOutcome::Continues(Box::new(self), progress)])
    }

    /// Like [`change_password`](Self::change_password), but ends all sessions.
    fn reset_password(
        mut self,
        (link, new): (&str, &str),
        response: &Response,
        mut progress: Progress,
        now: Timestamp,
    ) -> StepResult {
        let refuse = |model| {
            ensure(response.is_refused(410), response, "410: the link is not valid")?;
            returned(model)
        };
        match progress.step {
            0 if !self.account.is_link_valid(EmailKind::ResetPassword, link, now) => return refuse(self),
            2 if !self.account.reset_password(link, new, now) => return refuse(self),
            0 | 2 => {}
            1 | 3 => self.account.end_sessions_except(None),
            _ => {
                ensure(*response == Response::Done, response, "200")?;
                return returned(self);
            }
        }
        progress.step += 1;
        Ok(vec![StepOutcome::Continues(Box::new(self), progress)])
    }

    /// Claims an email, sends it if it is still needed, completes it, and continues with the next one.
    fn deliver_email(mut self, response: &Response, mut progress: Progress, now: Timestamp) -> StepResult {
        let Response::Emails(mails) = response else { return ensure(false, response, "emails").map(|()| Vec::new()) };
        let Some(claim) = progress.claim else {
            let due = self.account.due_emails(now);
            if due.is_empty() {
                ensure(progress.sent == mails.len(), response, &format!("{} emails", progress.sent))?;
                return returned(self);
            }
            let claim_of = |kind| {
                let mut model = self.clone();
                let claim = model.account.claim(kind, now);
                StepOutcome::Continues(Box::new(model), Progress { step: 0, claim, ..progress })
            };
            return Ok(due.into_iter().map(claim_of).collect());
        };
        if progress.step == 0 && self.account.is_needed(claim) {
            let mail: &Email =
                mails.get(progress.sent).ok_or_else(|| format!("{response:?}, expected a {:?}", claim.kind))?;
            ensure(mail.kind == claim.kind, response, &format!("{:?} at {}", claim.kind, progress.sent))?;
            self.account.send(mail, now);
            (progress.step, progress.sent) = (1, progress.sent + 1);
        } else {
            self.account.complete(claim);
            (progress.step, progress.claim) = (0, None);
        }
        Ok(vec![StepOutcome::Continues(Box::new(self), progress)])
    }

    /// Finishes a pending deletion, then removes rows older than the retention period.
    fn purge(mut self, response: &Response, mut progress: Progress, now: Timestamp) -> StepResult {
        match progress.step {
            // No deletion is pending.
            0 if self.account.exists => progress.step = 2,
            0 => self.account.end_sessions_except(None),
            1 => self.data.close(),
            _ => {
                let cutoff = now.plus_seconds(-limits::RETENTION_DAYS * 24 * 3_600);
                if self.has_moves {
                    return Ok(self.purge_beside_moves(cutoff));
                }
                let [tombstones, conflicts, versions] = self.data.purge(cutoff);
                let expected = Response::Purged { tombstones, conflicts, versions };
                ensure(*response == expected, response, &format!("{expected:?}"))?;
                return returned(self);
            }
        }
        progress.step += 1;
        Ok(vec![StepOutcome::Continues(Box::new(self), progress)])
    }

    /// A purge visits one database after the other. So it misses a user who is moved meanwhile, whom the next one finds, and counts
    /// rows twice that are in both.
    fn purge_beside_moves(self, cutoff: Timestamp) -> Vec<StepOutcome> {
        let mut purged = self.clone();
        purged.data.purge(cutoff);
        [purged, self].into_iter().map(|model| StepOutcome::Returned(Box::new(model))).collect()
    }
}

fn bearer(request: &Request) -> Option<&str> {
    match request {
        Request::Upload { token, .. }
        | Request::Download { token, .. }
        | Request::Status { token }
        | Request::ListConflicts { token }
        | Request::Resolve { token, .. }
        | Request::ListVersions { token, .. }
        | Request::Restore { token, .. }
        | Request::LogOut { token }
        | Request::ShowProfile { token }
        | Request::DeleteAccount { token, .. }
        | Request::ChangePassword { token, .. } => Some(token),
        _ => None,
    }
}
