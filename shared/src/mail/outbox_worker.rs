use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument, error_span};

use super::{Brand, EmailTemplate, MailError, Mailer};
use crate::auth::OpaqueToken;
use crate::clock::{Clock, Random};
use crate::models::User;
use crate::storage::{AccountStore, MailKind, QueuedMail, StoreError, StoreResult, TokenPurpose};
use crate::telemetry::{Dependency, SPANS, count, instrumented, pseudonym};

/// For how many seconds a mail is left to whoever sends it. A mailer takes 10 s at most, and each of three calls of a store 7.
const CLAIM_SECONDS: i64 = 60;

/// How often a mail is tried, over some four hours.
const MAX_ATTEMPTS: u32 = 10;

/// How often what is due is looked for, though nobody said that there is anything.
const POLL_INTERVAL: Duration = Duration::from_secs(60);

/// Most settled mails that one round forgets.
const PURGE_BATCH: usize = 5_000;

/// Sends the mails that wait. Any number of couriers may work at the same time.
///
/// A link is made when its mail is sent, and none is kept: the store knows only the hash of its token. So each mail is sent
/// at least once, and once where whoever delivers it answers; of two with links the newer one's works.
#[derive(Clone)]
pub struct OutboxWorker {
    accounts: Arc<dyn AccountStore>,
    mailer: Arc<dyn Mailer>,
    brand: Arc<Brand>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
}

/// What became of the mails that were due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Handed over.
    pub sent: u64,
    /// To be tried again later.
    pub postponed: u64,
    /// Not to be tried any more.
    pub given_up: u64,
    /// Not wanted (any more): the account is gone or never was, or its address is verified.
    pub dropped: u64,
}

enum DeliveryOutcome {
    Sent,
    Postponed,
    GivenUp,
    Dropped,
}

impl OutboxWorker {
    /// Takes mails from `accounts` to `mailer`.
    pub fn new(
        accounts: Arc<dyn AccountStore>,
        mailer: Arc<dyn Mailer>,
        brand: Brand,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { accounts, mailer, brand: Arc::new(brand), random, clock }
    }

    /// Delivers until `stop`: at once when `queued` says so, and each minute what is due by then.
    pub async fn run(self, queued: &Notify, stop: impl Future) {
        let mut stop = pin!(stop);
        loop {
            let outbox_worker = self.clone();
            // In a task of its own: whatever is wrong with one mail, the next round comes.
            match tokio::spawn(async move { outbox_worker.run_once(usize::MAX, POLL_INTERVAL).await }).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "mails cannot be delivered"),
                Err(_) => tracing::error!("the courier fell over a mail"),
            }
            tokio::select! {
                _ = &mut stop => return,
                _ = timeout(POLL_INTERVAL, queued.notified()) => {}
            }
        }
    }

    /// As [`deliver`](Self::deliver) for at most `budget` in all, if `queued` says that there may be something. It takes
    /// `at_least` so long: that there was nothing is not to be seen from outside.
    pub async fn deliver_if(&self, queued: &Notify, max_emails: usize, budget: Duration, at_least: Duration) {
        if timeout(Duration::ZERO, queued.notified()).await.is_err() {
            return;
        }
        let (delivered, ()) = tokio::join!(timeout(budget, self.deliver(max_emails, budget)), sleep(at_least));
        if let Ok(Err(error)) = delivered {
            tracing::warn!(%error, "mails cannot be delivered");
        }
    }

    /// As [`deliver`](Self::deliver), and forgets what is long settled.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run_once(&self, max_emails: usize, budget: Duration) -> StoreResult<Delivery> {
        let delivery = self.deliver(max_emails, budget).await?;
        self.accounts.purge_completed(self.clock.now(), PURGE_BATCH).await?;
        Ok(delivery)
    }

    /// Delivers at most `max_emails` of the mails that are due, and begins none after `budget` is over. Ends with the first that
    /// cannot be handed over: the others would fare no better.
    ///
    /// # Errors
    /// When the store is out. What was taken on is due again in a minute.
    pub async fn deliver(&self, max_emails: usize, budget: Duration) -> StoreResult<Delivery> {
        let end = Instant::now() + budget;
        let mut delivery = Delivery::default();
        for _ in 0..max_emails {
            if Instant::now() >= end {
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
                // It is due again, as often as any mail, and no other has to wait for it.
                Err(error) => tracing::error!(user = pseudonym(queued.user), %error, "a mail cannot be sent"),
            }
        }
        if delivery != Delivery::default() {
            tracing::info!(event = "mails_delivered", ?delivery, "mails delivered");
        }
        Ok(delivery)
    }

    async fn process(&self, queued: &QueuedMail) -> StoreResult<DeliveryOutcome> {
        // Somebody took it on for the last time, and never came back.
        if queued.attempt > MAX_ATTEMPTS {
            return self.give_up(queued, "whoever sent it failed each time").await;
        }
        let Some(user) = self.recipient(queued).await? else { return self.drop(queued).await };
        let Some(sent) = self.send(queued, &user).await? else { return self.drop(queued).await };
        let Err(error) = sent else {
            self.accounts.complete(queued, None).await?;
            count("mails_sent", 1);
            return Ok(DeliveryOutcome::Sent);
        };
        if matches!(error, MailError::Unavailable(_)) && queued.attempt < MAX_ATTEMPTS {
            let pause = pause_after(queued.attempt);
            self.accounts.complete(queued, Some(self.clock.now().plus_seconds(pause))).await?;
            count("mails_postponed", 1);
            tracing::warn!(user = pseudonym(user.id), attempt = queued.attempt, pause, %error, "a mail is tried again later");
            return Ok(DeliveryOutcome::Postponed);
        }
        self.give_up(queued, error).await
    }

    async fn drop(&self, queued: &QueuedMail) -> StoreResult<DeliveryOutcome> {
        self.accounts.complete(queued, None).await?;
        count("mails_dropped", 1);
        Ok(DeliveryOutcome::Dropped)
    }

    async fn give_up(&self, queued: &QueuedMail, reason: impl Display) -> StoreResult<DeliveryOutcome> {
        self.accounts.complete(queued, None).await?;
        let QueuedMail { user, attempt, .. } = queued;
        count("mails_given_up", 1);
        tracing::error!(event = "mail_given_up", user = pseudonym(*user), attempt, %reason, "a mail was given up");
        Ok(DeliveryOutcome::GivenUp)
    }

    /// Who the mail goes to, if it is still wanted.
    async fn recipient(&self, queued: &QueuedMail) -> StoreResult<Option<User>> {
        let account = self.accounts.get(queued.user).await?;
        let is_wanted = |user: &User| queued.kind != MailKind::VerifyEmail || user.email_verified_at.is_none();
        Ok(account.map(|account| account.user).filter(is_wanted))
    }

    /// Writes the mail and hands it over; `None` where its link is not wanted any more.
    async fn send(&self, queued: &QueuedMail, user: &User) -> StoreResult<Option<Result<(), MailError>>> {
        let purpose = match queued.kind {
            MailKind::VerifyEmail => Some(TokenPurpose::VerifyEmail),
            MailKind::ResetPassword => Some(TokenPurpose::ResetPassword),
            MailKind::Welcome | MailKind::PasswordChanged => None,
        };
        let token = OpaqueToken::generate(&*self.random);
        if let Some(purpose) = purpose {
            let expires_at = self.clock.now().plus_seconds(purpose.lifetime());
            if !self.accounts.issue(queued, &token.hash(), expires_at).await? {
                return Ok(None);
            }
        }
        let template = match queued.kind {
            MailKind::VerifyEmail => EmailTemplate::VerifyEmail { token: token.expose() },
            MailKind::ResetPassword => EmailTemplate::ResetPassword { token: token.expose() },
            MailKind::Welcome => EmailTemplate::Welcome,
            MailKind::PasswordChanged => EmailTemplate::PasswordChanged,
        };
        Ok(Some(self.hand_over(queued, user, template).await))
    }

    async fn hand_over(&self, queued: &QueuedMail, user: &User, template: EmailTemplate<'_>) -> Result<(), MailError> {
        let mail = template.to(user, &self.brand, idempotency_key(queued))?;
        instrumented(Dependency::Mailer, queued.kind.name(), self.mailer.send(&mail)).await
    }
}

/// The same for each attempt, unless each has a link of its own and is another mail.
fn idempotency_key(queued: &QueuedMail) -> String {
    let attempt = match queued.kind {
        MailKind::VerifyEmail | MailKind::ResetPassword => queued.attempt,
        MailKind::Welcome | MailKind::PasswordChanged => 0,
    };
    format!("{}/{}/{}/{attempt}", queued.user, queued.kind.name(), queued.queued_at.micros())
}

/// How many seconds after the failed `attempt` the next one is made: 1, 2, 4 … minutes, and never more than an hour.
fn pause_after(attempt: u32) -> i64 {
    (60 << attempt.saturating_sub(1).min(6)).min(3_600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_tried_for_four_hours() {
        assert_eq!((1..=8).map(pause_after).collect::<Vec<_>>(), [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        let hours = (1..MAX_ATTEMPTS).map(pause_after).sum::<i64>() / 3_600;
        assert_eq!(hours, 4);
        assert_eq!(pause_after(u32::MAX), 3_600);
    }
}
