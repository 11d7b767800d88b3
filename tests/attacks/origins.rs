//! Other web pages: what a browser lets them read is up to these headers.

use axum::http::Method;
use serde_json::json;
use tests::{Answer, Auth, Call, PASSWORD, Person, ROUTES, Service};

/// Pages that are not of this machine, some of which look as if they were.
const FOREIGN: [&str; 13] = [
    "https://evil.example",
    "null",
    "http://localhost.evil.example",
    "http://evillocalhost",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1.evil.example:3000",
    "http://localhost@evil.example",
    "http://localhost:3000@evil.example",
    "http://localhost:3000.evil.example",
    "http://[::1].evil.example",
    "file://localhost",
    "ftp://localhost",
    "chrome-extension://localhost",
];

const LOCAL: &str = "http://localhost:3000";

fn allowed(answer: &Answer) -> Option<&str> {
    assert_eq!(answer.header("access-control-allow-credentials"), None, "nothing here needs cookies");
    answer.header("access-control-allow-origin")
}

fn preflight(method: &str, path: &str, origin: &str) -> Call {
    Call::new(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", &method.to_uppercase())
        .header("access-control-request-headers", "authorization,content-type")
}

#[tokio::test]
async fn a_foreign_page_may_read_nothing() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    for (_, method, path, _) in ROUTES {
        let path = path.replace("{id}", "00000000-0000-4000-8000-000000000000");
        let call =
            |origin: &str| Call::new(method.to_uppercase().parse().expect("a method"), &path).header("origin", origin);
        assert_eq!(allowed(&service.api.send(call(LOCAL)).await), Some(LOCAL), "{path}");
        assert_eq!(allowed(&service.api.send(preflight(method, &path, LOCAL)).await), Some(LOCAL), "{path}");
        for origin in FOREIGN {
            for answer in [
                service.api.send(call(origin)).await,
                service.api.send(preflight(method, &path, origin)).await,
                service.api.send(call(origin).header("cookie", &format!("token={}", ada.token))).await,
            ] {
                assert_eq!(allowed(&answer), None, "{origin} at {path}");
            }
        }
    }
}

/// Not even with a token that was stolen, whoever is answered and whatever the answer is.
#[tokio::test]
async fn a_foreign_page_may_read_no_answer_to_a_right_request() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let login = json!({ "username": "ada", "password": PASSWORD });
    for origin in FOREIGN {
        for (call, status) in [
            (Call::get("/api/auth/profile").bearer(&ada.token), 200),
            (Call::get("/api/sync/download?device_id=d").bearer(&ada.token), 200),
            (Call::post("/api/auth/login", &login), 200),
            (Call::get("/api/sync/download").bearer(&ada.token), 400),
            (Call::get("/nowhere"), 404),
        ] {
            let answer = service.api.send(call.clone().header("origin", origin)).await;
            assert_eq!((answer.status, allowed(&answer)), (status, None), "{origin} at {}", call.path);
            let answer = service.api.send(call.header("origin", LOCAL)).await;
            assert_eq!((answer.status, allowed(&answer)), (status, Some(LOCAL)));
        }
    }
}

#[tokio::test]
async fn a_page_that_resembles_a_listed_one_is_foreign() {
    let listed = "https://sqlstudio.app";
    let service = Service::with(&[("RATE_LIMITS", "off"), ("CORS_ORIGINS", listed)]).await;
    let ask = async |origin: &str| {
        let answers = [
            service.api.send(Call::get("/api/sync/limits").header("origin", origin)).await,
            service.api.send(preflight("get", "/api/sync/status", origin)).await,
        ];
        answers.map(|answer| allowed(&answer).map(str::to_owned))
    };
    assert_eq!(ask(listed).await, [Some(listed.to_owned()), Some(listed.to_owned())]);
    for origin in [
        "http://sqlstudio.app",
        "https://sqlstudio.app.evil.example",
        "https://evil.sqlstudio.app",
        "https://evilsqlstudio.app",
        "https://sqlstudio.app:8443",
        "https://sqlstudio.app/",
        "https://sqlstudio.app@evil.example",
        "https://sqlstudioXapp",
        "https://sqlstudio.app, https://evil.example",
        LOCAL,
        "null",
        "*",
        "",
    ] {
        assert_eq!(ask(origin).await, [None, None], "{origin}");
    }
}

/// A cache must not hand a page the answer that another page was allowed to read.
#[tokio::test]
async fn what_is_allowed_to_one_page_is_not_kept_for_another() {
    let service = Service::start().await;
    for origin in [LOCAL, "https://evil.example"] {
        for (_, method, path, _) in ROUTES.into_iter().filter(|(.., auth)| *auth == Auth::None) {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let answer = service.api.send(Call::new(method, path).header("origin", origin)).await;
            let varies = answer.header("vary").unwrap_or_default().to_ascii_lowercase();
            assert!(varies.contains("origin"), "{path}: {varies:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        }
    }
}
