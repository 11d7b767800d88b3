//! The `auth` function: accounts, sessions, and the pages that the links in mails open.

mod attempts;
mod change_password;
mod examples;
mod login;
mod logout;
mod pages;
mod profile;
mod refresh;
mod request_password_reset;
mod resend_verification;
mod reset_password;
mod responses;
mod service;
mod sessions;
mod signup;
mod tokens;
mod verify_email;

pub use service::Auth;

shared::endpoints!(
    Auth:
    signup::signup,
    login::login,
    refresh::refresh,
    logout::logout,
    verify_email::verify_email,
    resend_verification::resend_verification,
    request_password_reset::request_password_reset,
    reset_password::reset_password,
    change_password::change_password,
    profile::show,
    profile::delete,
    sessions::list,
    sessions::end_others,
    sessions::end,
    pages::verify_email,
    pages::reset_password,
);
