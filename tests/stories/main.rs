//! Stories.

mod accounts;
mod bodies;
mod conflicts;
mod downloads;
mod first_clients;
mod frame;
mod limits;
mod mailed_links;
mod purge;
mod repeats;
mod settling;
mod uploads;
mod verbs;
