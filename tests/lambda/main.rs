//! The functions' binaries as AWS runs them: under its runtime interface emulator, with the events that API Gateway and a
//! schedule hand over, on real stores.

mod cloud;
mod events;
mod migrations;
mod schedules;
mod smuggling;
mod story;
mod trouble;
mod watching;
