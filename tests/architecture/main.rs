//! The arrows between the modules, and what else only the source tree can tell. Every check is a function of texts, and
//! is seen to fail on a text that is wrong.

mod arrows;
mod backends;
mod manifests;
mod migrations;
mod modules;
mod routes;
mod source;
