//! Tests of the Lambda functions: their binaries run under the AWS runtime interface emulator, receive the events of
//! API Gateway and schedules, and use real stores.

mod cloud;
mod custom_resource;
mod deployed;
mod events;
mod first_purge;
mod function_failures;
mod gateway_spoofing;
mod migrations;
mod public_url;
mod schedules;
mod telemetry;
