use askama::Template;

use super::{Mail, MailError};
use crate::config::EmailConfig;
use crate::models::User;
use crate::storage::{MailKind, TokenPurpose};

/// What product names, links and colours are called everywhere: in mails and on pages.
#[derive(Debug, Clone)]
pub struct Brand {
    /// The product's name.
    pub name: String,
    /// Where the product lives.
    pub url: String,
    /// Where links lead that this service answers itself, without a `/` at the end.
    pub service_url: String,
    /// The colour of buttons, as `#rrggbb`.
    pub accent: String,
    /// The colour of text on it, as `#rrggbb`.
    pub accent_text: String,
    /// Where people find help.
    pub support_email: String,
}

impl Brand {
    /// SQL Studio at the addresses of `config`.
    pub fn sql_studio(config: &EmailConfig) -> Self {
        Self {
            name: "SQL Studio".to_owned(),
            url: config.product_url.clone(),
            service_url: config.public_url.clone(),
            accent: "#2f5fd0".to_owned(),
            accent_text: "#ffffff".to_owned(),
            support_email: "support@sqlstudio.app".to_owned(),
        }
    }
}

/// What a mail is about.
#[derive(Clone, Copy)]
pub enum EmailTemplate<'a> {
    /// Asks to confirm the address, with the token that does.
    VerifyEmail {
        /// The token.
        token: &'a str,
    },
    /// Lets a new password be chosen, with the token that does.
    ResetPassword {
        /// The token.
        token: &'a str,
    },
    /// Says that the address is confirmed.
    Welcome,
    /// Says that the password was changed.
    PasswordChanged,
}

macro_rules! part {
    ($name:ident, $path:literal $(, $field:ident)*) => {
        #[derive(Template)]
        #[template(path = $path)]
        struct $name<'a> { brand: &'a Brand, name: Option<&'a str>, $($field: &'a str),* }
    };
}

part!(VerifyEmailHtml, "mail/verify_email.html", link, valid_for);
part!(VerifyEmailText, "mail/verify_email.txt", link, valid_for);
part!(ResetPasswordHtml, "mail/reset_password.html", link, valid_for);
part!(ResetPasswordText, "mail/reset_password.txt", link, valid_for);
part!(WelcomeHtml, "mail/welcome.html");
part!(WelcomeText, "mail/welcome.txt");
part!(PasswordChangedHtml, "mail/password_changed.html");
part!(PasswordChangedText, "mail/password_changed.txt");

impl EmailTemplate<'_> {
    /// The mail to `user`, known by `idempotency_key` to whoever delivers it.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub fn to(self, user: &User, brand: &Brand, idempotency_key: String) -> Result<Mail, MailError> {
        // Whoever signs up may have chosen both the name and somebody else's address: it is nothing to be read there.
        let name = user.email_verified_at.map(|_| user.username.as_str());
        let link = |page: &str, token: &str| format!("{}/{page}?token={token}", brand.service_url);
        let (kind, subject, html, text) = match self {
            Self::VerifyEmail { token } => {
                let link = &*link("verify-email", token);
                let valid_for = &*lifetime(TokenPurpose::VerifyEmail);
                let html = VerifyEmailHtml { brand, name, link, valid_for }.render();
                let text = VerifyEmailText { brand, name, link, valid_for }.render();
                (MailKind::VerifyEmail, "Confirm your email address".to_owned(), html, text)
            }
            Self::ResetPassword { token } => {
                let link = &*link("reset-password", token);
                let valid_for = &*lifetime(TokenPurpose::ResetPassword);
                let html = ResetPasswordHtml { brand, name, link, valid_for }.render();
                let text = ResetPasswordText { brand, name, link, valid_for }.render();
                (MailKind::ResetPassword, "Reset your password".to_owned(), html, text)
            }
            Self::Welcome => {
                let html = WelcomeHtml { brand, name }.render();
                let text = WelcomeText { brand, name }.render();
                (MailKind::Welcome, format!("Welcome to {}", brand.name), html, text)
            }
            Self::PasswordChanged => {
                let html = PasswordChangedHtml { brand, name }.render();
                let text = PasswordChangedText { brand, name }.render();
                (MailKind::PasswordChanged, "Your password was changed".to_owned(), html, text)
            }
        };
        Ok(Mail { kind, idempotency_key, to: user.email.clone(), subject, html: html?, text: text? })
    }
}

/// For how long a link works, in words.
pub fn lifetime(purpose: TokenPurpose) -> String {
    match purpose.lifetime() / 3_600 {
        1 => "1 hour".to_owned(),
        hours => format!("{hours} hours"),
    }
}
