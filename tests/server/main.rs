//! What only a running server shows: hostile requests, many clients at once, crashes, volume, starting and stopping.

mod accounts;
mod bodies;
mod concurrency;
mod crash;
mod encrypted;
mod fleet;
mod hostile;
mod mutations;
mod not_http;
mod oddities;
mod racing;
mod routes;
mod stop;
mod verdict;
mod volume;
mod watching;
mod wire;
