//! Forged addresses of clients, directly and through a reverse proxy. Against the server binary.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;
use tests::{Api, Request, ServerProcess, scratch_dir};

/// Calls of account operations per minute and address.
const LIMIT: usize = 20;

/// Omits the many log lines about exceeded limits.
const QUIET: (&str, &str) = ("RUST_LOG", "error");

const DIRECT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Sends `attempts` requests with these headers, and returns how many of them the rate limit accepts.
async fn accepted(api: &Api, attempts: usize, headers: impl Fn(usize) -> Vec<(&'static str, String)>) -> usize {
    let guess = Request::post("/api/auth/refresh", &json!({ "refresh_token": "0".repeat(43) }));
    let mut accepted = 0;
    for attempt in 0..attempts {
        let request = guess.clone();
        let request = headers(attempt).iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = api.send(request).await;
        if response.status != 429 {
            response.expect_error(401, "UNAUTHORIZED");
            accepted += 1;
        }
    }
    accepted
}

/// Asserts that all requests with these headers count against one limit.
async fn assert_limited(api: &Api, headers: impl Fn(usize) -> Vec<(&'static str, String)>) {
    let accepted = accepted(api, 2 * LIMIT, headers).await;
    // The limit regains a call every 3 s.
    assert!((LIMIT..LIMIT + 3).contains(&accepted), "{accepted}");
}

#[tokio::test]
async fn forged_addresses_do_not_evade_the_limit_of_the_own_address() {
    let folder = scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[("TRUSTED_PROXIES", "127.0.0.2, 10.0.0.0/8"), QUIET]).await;
    let [direct, proxy] = [DIRECT, PROXY].map(|address| Api::from_address(&server.base_url, address));

    // A client that is no proxy.
    let forged = |attempt: usize| {
        let address = format!("198.51.100.{attempt}");
        vec![("x-forwarded-for", address.clone()), ("forwarded", format!("for={address}"))]
    };
    assert_limited(&direct, forged).await;

    // A client behind a proxy that appends to the header.
    let appended = |attempt: usize| vec![("x-forwarded-for", format!("198.51.100.{attempt}, 203.0.113.1, 10.0.0.1"))];
    assert_limited(&proxy, appended).await;

    // A client behind a proxy that leaves the other header as it is. All such clients share the limit of the proxy.
    let unchanged = |attempt: usize| {
        let ignored = ("forwarded", format!("for=198.51.100.{attempt}"));
        vec![("x-forwarded-for", "203.0.113.1".to_owned()), ignored]
    };
    assert_limited(&proxy, unchanged).await;
}

#[tokio::test]
async fn clients_behind_a_proxy_have_limits_of_their_own() {
    let folder = scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[("TRUSTED_PROXIES", "127.0.0.2"), QUIET]).await;
    let proxy = Api::from_address(&server.base_url, PROXY);
    for client in ["203.0.113.1", "2001:db8::1"] {
        let named = |_| vec![("x-forwarded-for", client.to_owned())];
        assert_limited(&proxy, named).await;
    }
    let named = |_| vec![("forwarded", "for=\"[2001:db8:0:1::1]:51000\";proto=https".to_owned())];
    assert_limited(&proxy, named).await;
}
