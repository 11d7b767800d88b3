//! Tests of the TypeScript SDK (`shared/clients/typescript`) against the service: its scripts run in Node.js.

mod behaviour;
mod chromium;
mod node;
mod package;
mod simulated_service;
mod simulation;
