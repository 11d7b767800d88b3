//! Attacks: each test is one attack and asserts that it fails.
//!
//! Beside each hostile request is a valid one that succeeds, which shows that the hostile request is rejected for the attack and
//! not for another reason.

mod connections;
mod cors;
mod decompression_bombs;
mod emails;
mod enumeration;
mod forged_tokens;
mod guessing;
mod headers;
mod helpers;
mod isolation;
mod json_parsing;
mod lock_out;
mod lookalikes;
mod mass_assignment;
mod pages;
mod passwords;
mod proxies;
mod sessions;
mod size_limits;
mod slow_connections;
mod slow_searches;
mod sql_injection;
mod token_misuse;
