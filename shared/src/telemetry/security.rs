use std::collections::BTreeMap;

/// A security event: a log line with the message `security event`, whose field `event` is [`name`](Self::name), and
/// with the fields of the request. It contains no addresses or secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityEvent {
    /// A user logged in.
    LoginSucceeded,
    /// Login with a wrong password or to an unknown account.
    LoginFailed,
    /// A refresh token was used a second time. The session was revoked.
    RefreshTokenReused,
    /// A valid access token of a revoked session was used.
    RevokedSessionUsed,
    /// A user revoked one or more sessions.
    SessionRevoked,
    /// A request or a change with a credential in it was refused; logged by [`credentials_refused`].
    CredentialRefused,
    /// A request exceeded a rate limit.
    RateLimited,
    /// An email with a link to reset a password was requested.
    PasswordResetRequested,
}

impl SecurityEvent {
    /// All security events.
    pub const ALL: [Self; 8] = [
        Self::LoginSucceeded,
        Self::LoginFailed,
        Self::RefreshTokenReused,
        Self::RevokedSessionUsed,
        Self::SessionRevoked,
        Self::CredentialRefused,
        Self::RateLimited,
        Self::PasswordResetRequested,
    ];

    /// Returns the name of the event, which is stable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoginSucceeded => "login_succeeded",
            Self::LoginFailed => "login_failed",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::RevokedSessionUsed => "revoked_session_used",
            Self::SessionRevoked => "session_revoked",
            Self::CredentialRefused => "credential_refused",
            Self::RateLimited => "rate_limited",
            Self::PasswordResetRequested => "password_reset_requested",
        }
    }

    /// Logs the event, with the fields of the current request.
    pub fn log(self) {
        let event = self.name();
        match self {
            Self::LoginSucceeded | Self::SessionRevoked | Self::PasswordResetRequested => {
                tracing::info!(event, "security event");
            }
            _ => tracing::warn!(event, "security event"),
        }
    }
}

/// Logs refused credentials by the rule that found them, so that a rule with false alarms shows. `rules` has one entry for
/// each credential.
pub fn credentials_refused<'r>(rules: impl IntoIterator<Item = &'r str>) {
    let mut counts = BTreeMap::new();
    for rule in rules {
        *counts.entry(rule).or_insert(0_u32) += 1;
    }
    for (rule, count) in counts {
        tracing::warn!(event = SecurityEvent::CredentialRefused.name(), rule, count, "security event");
    }
}
