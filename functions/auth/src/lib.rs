//! The `auth` function: accounts, sessions, and the pages that the links in mails open.

mod change_password;
mod login;
mod logout;
mod pages;
mod profile;
mod refresh;
mod request_password_reset;
mod resend_verification;
mod reset_password;
mod service;
mod sessions;
mod signup;
mod tokens;
mod verify_email;

pub use service::Auth;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this function.
pub fn router(auth: Auth) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(signup::signup))
        .routes(routes!(login::login))
        .routes(routes!(refresh::refresh))
        .routes(routes!(logout::logout))
        .routes(routes!(verify_email::verify_email))
        .routes(routes!(resend_verification::resend_verification))
        .routes(routes!(request_password_reset::request_password_reset))
        .routes(routes!(reset_password::reset_password))
        .routes(routes!(change_password::change_password))
        .routes(routes!(profile::show, profile::delete))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(pages::verify_email))
        .routes(routes!(pages::reset_password))
        .with_state(auth)
}
