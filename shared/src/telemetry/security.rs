/// What whoever guards the service wants to know of. Each is a log line whose `event` is its name, with the request's other
/// fields; none names an address or a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityEvent {
    /// Somebody gave a wrong password, or named an account that is none.
    LoginFailed,
    /// A refresh token was presented that had been exchanged before: the session was ended.
    RefreshTokenReused,
    /// A good access token was presented whose session has ended.
    RevokedSessionUsed,
    /// A session, or several, were ended by their user.
    SessionRevoked,
    /// A credential was refused among a user's data.
    CredentialRefused,
    /// Somebody called too often.
    RateLimited,
    /// A mail was asked for by which a password can be reset.
    PasswordResetRequested,
}

impl SecurityEvent {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::LoginFailed,
        Self::RefreshTokenReused,
        Self::RevokedSessionUsed,
        Self::SessionRevoked,
        Self::CredentialRefused,
        Self::RateLimited,
        Self::PasswordResetRequested,
    ];

    /// Its name, which does not change.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoginFailed => "login_failed",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::RevokedSessionUsed => "revoked_session_used",
            Self::SessionRevoked => "session_revoked",
            Self::CredentialRefused => "credential_refused",
            Self::RateLimited => "rate_limited",
            Self::PasswordResetRequested => "password_reset_requested",
        }
    }

    /// Logs it, as a part of the request at hand.
    pub fn log(self) {
        let event = self.name();
        match self {
            Self::SessionRevoked | Self::PasswordResetRequested => tracing::info!(event, "security event"),
            _ => tracing::warn!(event, "security event"),
        }
    }
}
