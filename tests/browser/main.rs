//! What a person with a mailbox and a browser goes through, in Chromium: the mails, and the pages that their links open.

mod browser;
mod looks;
mod person;
mod walk;
