use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, error_span};

use super::{Brand, EmailError, EmailTemplate, Mailer};
use crate::auth::OpaqueToken;
use crate::clock::{Clock, Random};
use crate::models::User;
use crate::storage::{AccountStore, EmailKind, QueuedEmail, StoreError, StoreResult, TokenHash, TokenPurpose};
use crate::telemetry::{Dependency, SPANS, count, instrumented, pseudonym};

/// Duration of a claim, in seconds. A mailer takes 10 s at most, and each of three store calls 7 s.
const CLAIM_SECONDS: i64 = 60;

/// Maximum number of attempts per email, over about four hours.
const MAX_ATTEMPTS: u32 = 10;

/// Interval between polls of the outbox. Emails queued in this process are delivered at once.
const POLL_INTERVAL: Duration = Duration::from_secs(60);

/// Maximum number of completed emails that one run deletes.
const PURGE_BATCH: usize = 5_000;

/// Delivers the emails in the outbox. Any number of workers may run concurrently.
///
/// Delivery is at least once; exactly once if the provider responds. The worker generates the token of a link when it
/// sends the email, and stores its hash only. So a repeated email has a new link, which invalidates the previous one.
#[derive(Clone)]
pub struct OutboxWorker {
    accounts: Arc<dyn AccountStore>,
    mailer: Arc<dyn Mailer>,
    brand: Arc<Brand>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
}

/// Numbers of emails by outcome of their delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Accepted by the provider.
    pub sent: u64,
    /// To be retried later.
    pub postponed: u64,
    /// Not sent, and not to be retried.
    pub given_up: u64,
    /// Not sent: there is no such account, its address is verified, or its mailbox has received too many.
    pub dropped: u64,
}

/// Outcome of the delivery of one email; see the fields of [`Delivery`].
enum DeliveryOutcome {
    Sent,
    Postponed,
    GivenUp,
    Dropped,
}

impl OutboxWorker {
    /// Creates a worker that delivers the outbox of `accounts` by `mailer`.
    pub fn new(
        accounts: Arc<dyn AccountStore>,
        mailer: Arc<dyn Mailer>,
        brand: Brand,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { accounts, mailer, brand: Arc::new(brand), random, clock }
    }

    /// Delivers emails until `stop` completes: when `queued` is notified, and every minute.
    pub async fn run(self, queued: &Notify, stop: impl Future) {
        let mut stop = pin!(stop);
        loop {
            let outbox_worker = self.clone();
            // In a task of its own, so that a panic does not end the loop.
            match tokio::spawn(async move { outbox_worker.run_once(usize::MAX, POLL_INTERVAL).await }).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "email delivery failed"),
                Err(_) => tracing::error!("outbox worker panicked"),
            }
            tokio::select! {
                _ = &mut stop => return,
                _ = timeout(POLL_INTERVAL, queued.notified()) => {}
            }
        }
    }

    /// Calls [`deliver`](Self::deliver) if `queued` was notified, and cancels it after `budget`. Then takes
    /// `min_duration` at least, so that clients cannot tell by the time whether there was an email.
    pub async fn deliver_if(&self, queued: &Notify, max_emails: usize, budget: Duration, min_duration: Duration) {
        if timeout(Duration::ZERO, queued.notified()).await.is_err() {
            return;
        }
        let (delivered, ()) = tokio::join!(timeout(budget, self.deliver(max_emails, budget)), sleep(min_duration));
        if let Ok(Err(error)) = delivered {
            tracing::warn!(%error, "email delivery failed");
        }
    }

    /// Calls [`deliver`](Self::deliver), and deletes emails that were completed long ago.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn run_once(&self, max_emails: usize, budget: Duration) -> StoreResult<Delivery> {
        let delivery = self.deliver(max_emails, budget).await?;
        self.accounts.purge_completed(self.clock.now(), PURGE_BATCH).await?;
        Ok(delivery)
    }

    /// Delivers at most `max_emails` due emails, and starts none after `budget`. Stops at the first one that has to be
    /// retried later, since the provider would fail the others too.
    ///
    /// # Errors
    /// If the store is unavailable. The email in progress is due again after a minute.
    pub async fn deliver(&self, max_emails: usize, budget: Duration) -> StoreResult<Delivery> {
        let deadline = Instant::now() + budget;
        let mut delivery = Delivery::default();
        for _ in 0..max_emails {
            if Instant::now() >= deadline {
                break;
            }
            let now = self.clock.now();
            let Some(queued) = self.accounts.claim(now, now.plus_seconds(CLAIM_SECONDS)).await? else { break };
            let span = error_span!(target: SPANS, "mail", kind = queued.kind.name());
            match self.process(&queued).instrument(span).await {
                Ok(DeliveryOutcome::Sent) => delivery.sent += 1,
                Ok(DeliveryOutcome::Dropped) => delivery.dropped += 1,
                Ok(DeliveryOutcome::GivenUp) => delivery.given_up += 1,
                Ok(DeliveryOutcome::Postponed) => {
                    delivery.postponed += 1;
                    break;
                }
                Err(error @ StoreError::Unavailable { .. }) => return Err(error),
                // The email is due again when its claim expires. The others do not wait for it.
                Err(error) => tracing::error!(user = pseudonym(queued.user), %error, "email processing failed"),
            }
        }
        if delivery != Delivery::default() {
            let Delivery { sent, postponed, given_up, dropped } = delivery;
            tracing::info!(event = "mails_delivered", sent, postponed, given_up, dropped, "emails delivered");
        }
        Ok(delivery)
    }

    async fn process(&self, queued: &QueuedEmail) -> StoreResult<DeliveryOutcome> {
        // The worker that made the last attempt did not complete it.
        if queued.attempt > MAX_ATTEMPTS {
            return self.give_up(queued, "the worker of the last attempt failed").await;
        }
        let Some(user) = self.recipient(queued).await? else { return self.drop(queued).await };
        if queued.attempt == 1 && !self.count_for_mailbox(queued.kind, &user).await? {
            tracing::warn!(user = pseudonym(user.id), "mailbox limit reached, email dropped");
            return self.drop(queued).await;
        }
        let Some(result) = self.send(queued, &user).await? else { return self.drop(queued).await };
        let Err(error) = result else {
            self.accounts.complete(queued, None).await?;
            count("mails_sent", 1);
            return Ok(DeliveryOutcome::Sent);
        };
        if matches!(error, EmailError::Unavailable(_)) && queued.attempt < MAX_ATTEMPTS {
            let pause = pause_after(queued.attempt);
            self.accounts.complete(queued, Some(self.clock.now().plus_seconds(pause))).await?;
            count("mails_postponed", 1);
            let (user, attempt) = (pseudonym(user.id), queued.attempt);
            tracing::warn!(user, attempt, pause, %error, "email delivery failed, retrying later");
            return Ok(DeliveryOutcome::Postponed);
        }
        self.give_up(queued, error).await
    }

    /// Counts an email to the mailbox of `user`. Returns false if it has received too many of this kind. Anybody can sign up with tagged
    /// forms of an address: as long as they are unconfirmed, they share one bucket. Every other address has its own.
    async fn count_for_mailbox(&self, kind: EmailKind, user: &User) -> StoreResult<bool> {
        let mailbox = match user.email.mailbox() {
            (mailbox, true) if user.email_verified_at.is_none() => format!("{} tagged {mailbox}", kind.name()),
            _ => format!("{} {}", kind.name(), user.email.key()),
        };
        self.accounts.count_for_mailbox(&TokenHash::of(mailbox.as_bytes()), self.clock.now()).await
    }

    async fn drop(&self, queued: &QueuedEmail) -> StoreResult<DeliveryOutcome> {
        self.accounts.complete(queued, None).await?;
        count("mails_dropped", 1);
        Ok(DeliveryOutcome::Dropped)
    }

    async fn give_up(&self, queued: &QueuedEmail, reason: impl Display) -> StoreResult<DeliveryOutcome> {
        self.accounts.complete(queued, None).await?;
        let QueuedEmail { user, attempt, .. } = queued;
        count("mails_given_up", 1);
        tracing::error!(event = "mail_given_up", user = pseudonym(*user), attempt, %reason, "email delivery given up");
        Ok(DeliveryOutcome::GivenUp)
    }

    /// Returns the recipient, if the email is still needed.
    async fn recipient(&self, queued: &QueuedEmail) -> StoreResult<Option<User>> {
        let account = self.accounts.get(queued.user).await?;
        let is_needed = |user: &User| queued.kind != EmailKind::VerifyEmail || user.email_verified_at.is_none();
        Ok(account.map(|account| account.user).filter(is_needed))
    }

    /// Issues a token if the email has a link, renders the email and sends it. Returns `None` if the link is no longer
    /// needed.
    async fn send(&self, queued: &QueuedEmail, user: &User) -> StoreResult<Option<Result<(), EmailError>>> {
        let purpose = match queued.kind {
            EmailKind::VerifyEmail => Some(TokenPurpose::VerifyEmail),
            EmailKind::ResetPassword => Some(TokenPurpose::ResetPassword),
            EmailKind::Welcome | EmailKind::PasswordChanged => None,
        };
        let token = OpaqueToken::generate(&*self.random);
        if let Some(purpose) = purpose {
            let expires_at = self.clock.now().plus_seconds(purpose.lifetime());
            if !self.accounts.issue(queued, &token.hash(), expires_at).await? {
                return Ok(None);
            }
        }
        let template = match queued.kind {
            EmailKind::VerifyEmail => EmailTemplate::VerifyEmail { token: token.expose() },
            EmailKind::ResetPassword => EmailTemplate::ResetPassword { token: token.expose() },
            EmailKind::Welcome => EmailTemplate::Welcome,
            EmailKind::PasswordChanged => EmailTemplate::PasswordChanged,
        };
        Ok(Some(self.render_and_send(queued, user, template).await))
    }

    async fn render_and_send(
        &self,
        queued: &QueuedEmail,
        user: &User,
        template: EmailTemplate<'_>,
    ) -> Result<(), EmailError> {
        let email = template.to(user, &self.brand, idempotency_key(queued))?;
        instrumented(Dependency::Mailer, queued.kind.name(), self.mailer.send(&email)).await
    }
}

/// Returns the same key for each attempt, except for emails with a link: each attempt has a new link.
fn idempotency_key(queued: &QueuedEmail) -> String {
    let attempt = match queued.kind {
        EmailKind::VerifyEmail | EmailKind::ResetPassword => queued.attempt,
        EmailKind::Welcome | EmailKind::PasswordChanged => 0,
    };
    format!("{}/{}/{}/{attempt}", queued.user, queued.kind.name(), queued.queued_at.micros())
}

/// Returns the pause after the failed attempt number `attempt`, in seconds: 1, 2, 4 … minutes, at most an hour.
fn pause_after(attempt: u32) -> i64 {
    (60 << attempt.saturating_sub(1).min(6)).min(3_600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_span_four_hours() {
        assert_eq!((1..=8).map(pause_after).collect::<Vec<_>>(), [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        let hours = (1..MAX_ATTEMPTS).map(pause_after).sum::<i64>() / 3_600;
        assert_eq!(hours, 4);
        assert_eq!(pause_after(u32::MAX), 3_600);
    }
}
