//! What the functions tell of themselves while they are used: metrics, log lines, traces, reports of errors, and no secret.

mod emf;
mod lines;
mod reports;
mod told;
mod traces;
