//! The pages that links open: they lead nowhere, show nothing that they are told, and obey no other page.

use axum::http::Method;
use serde_json::json;
use shared::storage::MailKind::{ResetPassword, VerifyEmail};
use tests::{Answer, Auth, Call, PASSWORD, Person, ROUTES, Service, refresh, try_login};

use crate::people::{confirm, encoded, forget_password, reset_password};

const PAGES: [&str; 2] = ["/verify-email", "/reset-password"];

/// Every route by its method and its path, ids filled in.
fn routes() -> impl Iterator<Item = (Method, String, Auth)> {
    ROUTES.into_iter().map(|(_, method, path, auth)| {
        let method: Method = method.to_uppercase().parse().expect("a method");
        (method, path.replace("{id}", "00000000-0000-4000-8000-000000000000"), auth)
    })
}

fn leads_nowhere(answer: &Answer, what: &str) {
    assert!(!(300..400).contains(&answer.status), "{}: {what}", answer.status);
    for name in ["location", "refresh", "content-location", "link"] {
        assert_eq!(answer.header(name), None, "{what}");
    }
    assert!(!String::from_utf8_lossy(&answer.body).contains("evil.example"), "{what}");
}

#[tokio::test]
async fn no_answer_redirects_to_where_a_request_says() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let names = ["next", "redirect", "redirect_uri", "return_to", "returnUrl", "continue", "url", "goto", "callback"];
    let targets = ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:evil.example"];
    for target in targets.map(encoded) {
        let query: Vec<String> = names.iter().map(|name| format!("{name}={target}")).collect();
        for (method, path, _) in routes() {
            let call = Call::new(method, format!("{path}?{}", query.join("&")))
                .header("host", "evil.example")
                .header("x-forwarded-host", "evil.example")
                .header("x-original-url", "https://evil.example/")
                .header("referer", "https://evil.example/");
            leads_nowhere(&service.api.send(call.clone()).await, &call.path);
            leads_nowhere(&ada.sends(call.clone()).await, &call.path);
        }
    }
    for path in [
        "//evil.example/",
        "//evil.example/%2e%2e",
        "/%5cevil.example",
        "/%2f%2fevil.example",
        "/verify-email/",
        "/verify-email//evil.example",
        "/./verify-email",
        "/api/auth/../../verify-email",
    ] {
        let answer = service.api.send(Call::get(path)).await;
        leads_nowhere(&answer, path);
        answer.refused(404, "NOT_FOUND");
    }
    for page in PAGES {
        assert_eq!(service.api.send(Call::get(format!("{page}?token=x"))).await.status, 200);
    }
}

#[tokio::test]
async fn a_page_shows_nothing_of_its_address() {
    let service = Service::start().await;
    let plain = async |path: &str| {
        let page = service.api.send(Call::get(path)).await;
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy").expect("a page has a policy").to_owned();
        let (_, rest) = policy.split_once("script-src 'nonce-").expect("its script has a nonce");
        let nonce = rest.split_once('\'').expect("it ends").0.to_owned();
        (String::from_utf8(page.body).expect("HTML is UTF-8").replace(&nonce, ""), nonce)
    };
    for page in PAGES {
        let (honest, first) = plain(page).await;
        for evil in [
            "token=%3Cscript%3Ealert(1)%3C/script%3E",
            "token=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
            "token='-alert(1)-'&name=%3Cb%3E&brand=evil&nonce=evil&valid_for=evil",
            "token=%0d%0aSet-Cookie:%20a=b",
            "token=%7B%7B7*7%7D%7D",
        ] {
            let (html, nonce) = plain(&format!("{page}?{evil}")).await;
            assert_eq!(html, honest, "{evil}");
            assert_ne!(nonce, first, "a nonce is good once");
        }
    }
}

/// What would run an injected script, frame the page for clicks, or send the link on to others.
#[tokio::test]
async fn a_page_runs_no_script_but_its_own_and_is_framed_by_nobody() {
    let service = Service::start().await;
    for path in PAGES {
        let page = service.api.send(Call::get(format!("{path}?token=x"))).await;
        let policy = page.header("content-security-policy").expect("a page has a policy");
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"] {
            assert!(policy.split("; ").any(|other| other == rule), "{rule} in {policy}");
        }
        for loose in ["unsafe-inline", "unsafe-eval", "*", "data:", "http:", "https:"] {
            assert!(!policy.contains(loose), "{policy}");
        }
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let html = String::from_utf8(page.body).expect("HTML is UTF-8");
        let scripts = html.matches("<script").count();
        assert_eq!((scripts, html.matches("<script nonce=").count()), (1, 1), "{path}");
        // Nothing is fetched from anybody, and no handler stands in the markup.
        for foreign in ["src=\"http", "src=\"//", "<iframe", "<object", "onclick=", "onload="] {
            assert!(!html.contains(foreign), "{foreign} in {path}");
        }
    }
}

#[tokio::test]
async fn no_cookie_is_ever_set() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let sign_up = json!({ "username": "bob", "email": "bob@example.com", "password": PASSWORD });
    let answers = [
        service.api.send(Call::post("/api/auth/signup", &sign_up)).await,
        try_login(&service.api, "ada", PASSWORD).await,
        refresh(&service.api, &ada.refresh_token).await,
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [201, 200, 200]);
    for answer in &answers {
        assert_eq!(answer.header("set-cookie"), None);
    }
    for (method, path, _) in routes() {
        let call = Call::new(method, &path).header("cookie", "session=a; lang=b");
        for answer in [service.api.send(call.clone()).await, ada.sends(call).await] {
            assert_eq!(answer.header("set-cookie"), None, "{path}");
        }
    }
}

/// CSRF: another site can have a browser send a form, with whatever the browser adds by itself. That is no JSON, and
/// there is nothing that it adds.
#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    forget_password(&service.api, "ada@example.com").await.expect(200);
    let to_confirm = service.newest_token(VerifyEmail, "ada@example.com").await;
    let to_reset = service.newest_token(ResetPassword, "ada@example.com").await;
    let before = service.mails.count();
    let bodies = [
        ("signup", json!({ "username": "zoe", "email": "zoe@example.com", "password": PASSWORD })),
        ("login", json!({ "username": "ada", "password": PASSWORD })),
        ("refresh", json!({ "refresh_token": ada.refresh_token })),
        ("verify-email", json!({ "token": to_confirm })),
        ("request-password-reset", json!({ "email": "ada@example.com" })),
        ("reset-password", json!({ "token": to_reset, "new_password": "Barley77" })),
    ];
    service.clock.advance(60);
    for (name, body) in &bodies {
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain; application/json",
            "text/plain, application/json",
            "",
        ] {
            let call = Call::new(Method::POST, format!("/api/auth/{name}"))
                .body(kind, body.to_string())
                .header("origin", "https://evil.example")
                .header("sec-fetch-site", "cross-site");
            service.api.send(call).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
        }
        let untyped = Call { body: body.to_string().into(), ..Call::new(Method::POST, format!("/api/auth/{name}")) };
        service.api.send(untyped).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    // Where a token is asked for, a browser has none to add.
    for (method, path, _) in routes().filter(|(.., auth)| *auth == Auth::Bearer) {
        let call = Call::new(method, path).header("cookie", &format!("token={}", ada.token));
        service.api.send(call.body("text/plain", "{}")).await.refused(401, "UNAUTHORIZED");
    }
    service.deliver().await;
    assert_eq!(service.mails.count(), before, "nothing was mailed");
    assert_eq!(ada.account().await["email_verified"], false);
    assert_eq!(ada.sessions().await.len(), 1);
    // All of it is good where it is sent as the pages send it.
    confirm(&service.api, &to_confirm).await.expect(200);
    reset_password(&service.api, &to_reset, "Barley77").await.expect(200);
}

/// Links are opened by scanners, prefetched by browsers, and loaded as images by other sites.
#[tokio::test]
async fn opening_a_link_by_any_method_but_the_buttons_does_nothing() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let token = service.newest_token(VerifyEmail, "ada@example.com").await;
    for page in PAGES {
        for method in [Method::GET, Method::HEAD] {
            let call = Call::new(method, format!("{page}?token={token}&new_password=Barley77&confirm=1"));
            assert_eq!(service.api.send(call.header("purpose", "prefetch")).await.status, 200);
        }
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let call = Call::new(method, format!("{page}?token={token}")).json(&json!({ "token": token }));
            service.api.send(call).await.refused(405, "METHOD_NOT_ALLOWED");
        }
    }
    for path in ["/api/auth/verify-email", "/api/auth/reset-password"] {
        let call = Call::get(format!("{path}?token={token}&new_password=Barley77"));
        service.api.send(call).await.refused(405, "METHOD_NOT_ALLOWED");
    }
    assert_eq!(ada.account().await["email_verified"], false);
    confirm(&service.api, &token).await.expect(200);
}
