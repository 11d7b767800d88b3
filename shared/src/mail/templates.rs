use askama::Template;

use super::{Email, EmailError};
use crate::config::EmailConfig;
use crate::models::User;
use crate::storage::{EmailKind, TokenPurpose};

/// Product name, links and colours of emails and pages.
#[derive(Debug, Clone)]
pub struct Brand {
    /// Name of the product.
    pub name: String,
    /// URL of the product.
    pub url: String,
    /// Base URL of this service for links, without a trailing `/`.
    pub service_url: String,
    /// Colour of buttons, as `#rrggbb`.
    pub accent: String,
    /// Colour of text on buttons, as `#rrggbb`.
    pub accent_text: String,
    /// Email address of support.
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

/// A kind of email and its parameters.
#[derive(Clone, Copy)]
pub enum EmailTemplate<'a> {
    /// Asks the user to confirm the address by a link.
    VerifyEmail {
        /// Token in the link.
        token: &'a str,
    },
    /// Lets the user choose a new password by a link.
    ResetPassword {
        /// Token in the link.
        token: &'a str,
    },
    /// Confirms that the address was verified.
    Welcome,
    /// Notifies the user that the password was changed.
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
    /// Renders the email to `user`.
    ///
    /// # Errors
    /// If a template cannot be rendered.
    pub fn to(self, user: &User, brand: &Brand, idempotency_key: String) -> Result<Email, EmailError> {
        // Omits the name until the address is verified: an attacker can sign up with the address of a victim and a
        // message as the name.
        let name = user.email_verified_at.map(|_| user.username.as_str());
        let link = |page: &str, token: &str| format!("{}/{page}#token={token}", brand.service_url);
        let (kind, subject, html, text) = match self {
            Self::VerifyEmail { token } => {
                let link = &*link("verify-email", token);
                let valid_for = &*lifetime(TokenPurpose::VerifyEmail);
                let html = VerifyEmailHtml { brand, name, link, valid_for }.render();
                let text = VerifyEmailText { brand, name, link, valid_for }.render();
                (EmailKind::VerifyEmail, "Confirm your email address".to_owned(), html, text)
            }
            Self::ResetPassword { token } => {
                let link = &*link("reset-password", token);
                let valid_for = &*lifetime(TokenPurpose::ResetPassword);
                let html = ResetPasswordHtml { brand, name, link, valid_for }.render();
                let text = ResetPasswordText { brand, name, link, valid_for }.render();
                (EmailKind::ResetPassword, "Reset your password".to_owned(), html, text)
            }
            Self::Welcome => {
                let html = WelcomeHtml { brand, name }.render();
                let text = WelcomeText { brand, name }.render();
                (EmailKind::Welcome, format!("Welcome to {}", brand.name), html, text)
            }
            Self::PasswordChanged => {
                let html = PasswordChangedHtml { brand, name }.render();
                let text = PasswordChangedText { brand, name }.render();
                (EmailKind::PasswordChanged, "Your password was changed".to_owned(), html, text)
            }
        };
        Ok(Email { kind, idempotency_key, to: user.email.clone(), subject, html: html?, text: text? })
    }
}

/// Returns the lifetime of a link in words.
pub fn lifetime(purpose: TokenPurpose) -> String {
    match purpose.lifetime() / 3_600 {
        1 => "1 hour".to_owned(),
        hours => format!("{hours} hours"),
    }
}
