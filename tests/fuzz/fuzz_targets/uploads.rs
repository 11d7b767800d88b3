//! Fuzzes upload bodies through the whole service on the embedded stores: every response is one that the OpenAPI
//! document allows, and every change is applied, in conflict or rejected.
#![no_main]

use std::cell::OnceCell;

use axum::http::Method;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tests::{Request, Service};
use tokio::runtime::Runtime;

struct Account {
    runtime: Runtime,
    service: Service,
    token: String,
}

thread_local! {
    static ACCOUNT: OnceCell<Account> = const { OnceCell::new() };
}

fn account() -> Account {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (service, token) = runtime.block_on(async {
        let service = Service::start().await;
        let session = service.api.sign_up("ada").await;
        (service, session["token"].as_str().expect("a token").to_owned())
    });
    Account { runtime, service, token }
}

fuzz_target!(|body: &[u8]| {
    ACCOUNT.with(|account_cell| {
        let account = account_cell.get_or_init(account);
        let call = Request::new(Method::POST, "/api/sync/upload").body("application/json", body).bearer(&account.token);
        let response = account.runtime.block_on(account.service.api.send(call));
        let json: Value = serde_json::from_slice(&response.body).expect("every response is JSON");
        match response.status {
            200 => {
                let count = |list: &str| json[list].as_array().expect("a list").len();
                let sent: Value = serde_json::from_slice(body).expect("an accepted body is JSON");
                let changes = sent["changes"].as_array().expect("a list").len();
                assert_eq!(count("applied") + count("conflicts") + count("rejected"), changes, "{json}");
                assert_eq!(json["success"], count("rejected") == 0, "{json}");
            }
            400 | 413 => assert!(json["error"] == true && json["message"].is_string(), "{json}"),
            status => panic!("{status}: {json}"),
        }
    });
});
