//! Stores, and whoever delivers mails, that are down, slow, lose answers or go silent: the service refuses in time, tells no
//! lies, and goes on by itself once they are back.

mod behind;
mod courier;
mod deletion;
mod encrypted;
mod failover;
mod lost_answers;
mod mail_provider;
mod outages;
mod passwords;
mod pooler;
mod round_trips;
mod secrets;
mod stale;
