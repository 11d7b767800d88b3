//! The attack table: each test is one attack by name, and says what holds against it.
//!
//! Beside each hostile request stands an honest one that gets through, so that a test which is refused for another
//! reason than the attack is seen.

mod assignment;
mod bodies;
mod bombs;
mod enumeration;
mod guessing;
mod lengths;
mod looks;
mod mails;
mod origins;
mod others;
mod pages;
mod people;
mod presenting;
mod sessions;
mod sockets;
mod sql;
mod tokens;
