//! Tests of the server binary: hostile requests, concurrent clients, crashes, volume, start and shutdown.

mod bodies;
mod checks;
mod concurrency;
mod crash;
mod data_at_rest;
mod deployed;
mod first_run;
mod fleet;
mod hostile;
mod hostile_values;
mod lifecycle;
mod malformed_http;
mod moves;
mod mutations;
mod observability;
mod races;
mod raw_http;
mod restores;
mod routes;
mod target;
mod tls;
mod volume;
