use std::sync::Arc;
use std::time::Instant;

use shared::auth::{Password, PasswordCost, Passwords};
use shared::clock::SystemRandom;
use tests::{PASSWORD, Service};

use crate::account::time_of;
use crate::compare;

/// A login, beside the hash that it has to make.
pub(crate) async fn table() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let passwords = Passwords::new(PasswordCost::OWASP, Arc::new(SystemRandom));
    let password = Password::parse(PASSWORD).expect("it keeps the rules");
    let call = tests::login_request("ada", PASSWORD);
    let floor = async || {
        let begun = Instant::now();
        passwords.hash(&password).await.expect("it is hashed");
        begun.elapsed()
    };
    compare("login / argon2 alone", 30, floor, async || time_of(&service.api, call.clone()).await).await;
}
