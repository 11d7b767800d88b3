//! Attacks on the HTML pages: redirects, injection, framing, cookies and cross-site requests.

use axum::http::Method;
use serde_json::json;
use shared::storage::EmailKind::{ResetPassword, VerifyEmail};
use tests::{Auth, PASSWORD, ROUTES, Request, Response, Service, TestUser, refresh, try_login};

use crate::helpers::{percent_encode, request_password_reset, reset_password, verify_email};

const PAGES: [&str; 2] = ["/verify-email", "/reset-password"];

/// Returns method, path with ids, and authentication of every route.
fn routes() -> impl Iterator<Item = (Method, String, Auth)> {
    ROUTES.into_iter().map(|(_, method, path, auth)| {
        let method: Method = method.to_uppercase().parse().expect("a method");
        (method, path.replace("{id}", "00000000-0000-4000-8000-000000000000"), auth)
    })
}

fn assert_no_redirect(response: &Response, target: &str) {
    assert!(!(300..400).contains(&response.status), "{}: {target}", response.status);
    for name in ["location", "refresh", "content-location", "link"] {
        assert_eq!(response.header(name), None, "{target}");
    }
    assert!(!String::from_utf8_lossy(&response.body).contains("evil.example"), "{target}");
}

#[tokio::test]
async fn no_open_redirects() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let names = ["next", "redirect", "redirect_uri", "return_to", "returnUrl", "continue", "url", "goto", "callback"];
    let targets = ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:evil.example"];
    for target in targets.map(percent_encode) {
        let query: Vec<String> = names.iter().map(|name| format!("{name}={target}")).collect();
        for (method, path, _) in routes() {
            let request = Request::new(method, format!("{path}?{}", query.join("&")))
                .header("host", "evil.example")
                .header("x-forwarded-host", "evil.example")
                .header("x-original-url", "https://evil.example/")
                .header("referer", "https://evil.example/");
            assert_no_redirect(&service.api.send(request.clone()).await, &request.path);
            assert_no_redirect(&ada.send(request.clone()).await, &request.path);
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
        let response = service.api.send(Request::get(path)).await;
        assert_no_redirect(&response, path);
        response.expect_error(404, "NOT_FOUND");
    }
    for page in PAGES {
        assert_eq!(service.api.send(Request::get(format!("{page}?token=x"))).await.status, 200);
    }
}

#[tokio::test]
async fn pages_do_not_reflect_their_url() {
    let service = Service::start().await;
    let load_page = async |path: &str| {
        let page = service.api.send(Request::get(path)).await;
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy").expect("a page has a policy").to_owned();
        let (_, rest) = policy.split_once("script-src 'nonce-").expect("its script has a nonce");
        let nonce = rest.split_once('\'').expect("the nonce ends").0.to_owned();
        (String::from_utf8(page.body).expect("HTML is UTF-8").replace(&nonce, ""), nonce)
    };
    for page in PAGES {
        let (valid, first) = load_page(page).await;
        for evil in [
            "token=%3Cscript%3Ealert(1)%3C/script%3E",
            "token=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
            "token='-alert(1)-'&name=%3Cb%3E&brand=evil&nonce=evil&valid_for=evil",
            "token=%0d%0aSet-Cookie:%20a=b",
            "token=%7B%7B7*7%7D%7D",
        ] {
            let (html, nonce) = load_page(&format!("{page}?{evil}")).await;
            assert_eq!(html, valid, "{evil}");
            assert_ne!(nonce, first, "each response has its own nonce");
        }
    }
}

/// Protection against script injection, clickjacking, and leaks of the link by the referrer.
#[tokio::test]
async fn pages_have_a_strict_content_security_policy() {
    let service = Service::start().await;
    for path in PAGES {
        let page = service.api.send(Request::get(format!("{path}?token=x"))).await;
        let policy = page.header("content-security-policy").expect("a page has a policy");
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"] {
            assert!(policy.split("; ").any(|other| other == rule), "{rule} in {policy}");
        }
        for unsafe_source in ["unsafe-inline", "unsafe-eval", "*", "data:", "http:", "https:"] {
            assert!(!policy.contains(unsafe_source), "{policy}");
        }
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let html = String::from_utf8(page.body).expect("HTML is UTF-8");
        let scripts = html.matches("<script").count();
        assert_eq!((scripts, html.matches("<script nonce=").count()), (1, 1), "{path}");
        // The page loads no external resources and has no inline event handlers.
        for foreign in ["src=\"http", "src=\"//", "<iframe", "<object", "onclick=", "onload="] {
            assert!(!html.contains(foreign), "{foreign} in {path}");
        }
    }
}

#[tokio::test]
async fn no_response_sets_a_cookie() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let sign_up = json!({ "username": "bob", "email": "bob@example.com", "password": PASSWORD });
    let responses = [
        service.api.send(Request::post("/api/auth/signup", &sign_up)).await,
        try_login(&service.api, "ada", PASSWORD).await,
        refresh(&service.api, &ada.refresh_token).await,
    ];
    assert_eq!(responses.each_ref().map(|response| response.status), [201, 200, 200]);
    for response in &responses {
        assert_eq!(response.header("set-cookie"), None);
    }
    for (method, path, _) in routes() {
        let request = Request::new(method, &path).header("cookie", "session=a; lang=b");
        for response in [service.api.send(request.clone()).await, ada.send(request).await] {
            assert_eq!(response.header("set-cookie"), None, "{path}");
        }
    }
}

/// CSRF: another site can make a browser send a form. A form is not JSON, and the browser adds no credentials, because the API
/// uses no cookies.
#[tokio::test]
async fn cross_site_forms_are_rejected() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    request_password_reset(&service.api, "ada@example.com").await.expect(200);
    let verification_token = service.newest_token(VerifyEmail, "ada@example.com").await;
    let reset_token = service.newest_token(ResetPassword, "ada@example.com").await;
    let before = service.mailer.count();
    let bodies = [
        ("signup", json!({ "username": "zoe", "email": "zoe@example.com", "password": PASSWORD })),
        ("login", json!({ "username": "ada", "password": PASSWORD })),
        ("refresh", json!({ "refresh_token": ada.refresh_token })),
        ("verify-email", json!({ "token": verification_token })),
        ("request-password-reset", json!({ "email": "ada@example.com" })),
        ("reset-password", json!({ "token": reset_token, "new_password": "Barley77" })),
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
            let request = Request::new(Method::POST, format!("/api/auth/{name}"))
                .body(kind, body.to_string())
                .header("origin", "https://evil.example")
                .header("sec-fetch-site", "cross-site");
            service.api.send(request).await.expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
        }
        let untyped =
            Request { body: body.to_string().into(), ..Request::new(Method::POST, format!("/api/auth/{name}")) };
        service.api.send(untyped).await.expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    // A browser cannot add the access token of authenticated routes.
    for (method, path, _) in routes().filter(|(.., auth)| *auth == Auth::Bearer) {
        let request = Request::new(method, path).header("cookie", &format!("token={}", ada.token));
        service.api.send(request.body("text/plain", "{}")).await.expect_error(401, "UNAUTHORIZED");
    }
    service.deliver_due_emails().await;
    assert_eq!(service.mailer.count(), before, "no email was sent");
    assert_eq!(ada.profile().await["email_verified"], false);
    assert_eq!(ada.sessions().await.len(), 1);
    // The same tokens are accepted as the pages send them.
    verify_email(&service.api, &verification_token).await.expect(200);
    reset_password(&service.api, &reset_token, "Barley77").await.expect(200);
}

/// Scanners open links, browsers prefetch them, and other sites load them as images.
#[tokio::test]
async fn opening_a_link_has_no_side_effect() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let token = service.newest_token(VerifyEmail, "ada@example.com").await;
    for page in PAGES {
        for method in [Method::GET, Method::HEAD] {
            let request = Request::new(method, format!("{page}?token={token}&new_password=Barley77&confirm=1"));
            assert_eq!(service.api.send(request.header("purpose", "prefetch")).await.status, 200);
        }
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let request = Request::new(method, format!("{page}?token={token}")).json(&json!({ "token": token }));
            service.api.send(request).await.expect_error(405, "METHOD_NOT_ALLOWED");
        }
    }
    for path in ["/api/auth/verify-email", "/api/auth/reset-password"] {
        let request = Request::get(format!("{path}?token={token}&new_password=Barley77"));
        service.api.send(request).await.expect_error(405, "METHOD_NOT_ALLOWED");
    }
    assert_eq!(ada.profile().await["email_verified"], false);
    verify_email(&service.api, &token).await.expect(200);
}
