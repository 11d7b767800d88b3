//! Browser tests in Chromium: the emails, and the pages that their links open.

mod accessibility;
mod browser;
mod flows;
mod user;
