use std::sync::Arc;
use std::time::Instant;

use shared::auth::{Owner, Password, PasswordCost, Passwords};
use shared::clock::SystemRandom;
use tests::{PASSWORD, Service};

use crate::account::time_of;
use crate::compare;

/// Measures a login; the baseline is its password hash.
pub(crate) async fn table() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let passwords = Passwords::new(PasswordCost::OWASP, Arc::new(SystemRandom));
    let password = Password::parse(PASSWORD, Owner::UNKNOWN).expect("the password is valid");
    let call = tests::login_request("ada", PASSWORD);
    let baseline = async || {
        let start = Instant::now();
        passwords.hash(&password).await.expect("the password hashes");
        start.elapsed()
    };
    compare("login / argon2 alone", 30, baseline, async || time_of(&service.api, call.clone()).await).await;
}
