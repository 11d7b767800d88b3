//! Names, addresses and ids that look like those of another user.

use serde_json::json;
use shared::storage::EmailKind::{PasswordChanged, ResetPassword, VerifyEmail};
use tests::{PASSWORD, Request, Service, TestUser, error_fields, query_update, saved_query, try_login};

use crate::helpers::{request_password_reset, reset_password, try_sign_up, verify_email};

/// Password of the imitator.
const IMITATOR_PASSWORD: &str = "Imitate99";

/// The same letters in another case, another width, another composition, or as ligatures.
#[tokio::test]
async fn equivalent_spelling_of_a_name_is_taken() {
    let service = Service::start().await;
    for (n, (name, others)) in [
        ("ada", vec!["ADA", "Ada", "ａｄａ", "ＡＤＡ", "𝒶𝒹𝒶", "ⓐⓓⓐ", "𝐀𝐃𝐀"]),
        ("kim", vec!["\u{212a}im", "KIM", "ｋim"]),
        ("fiona", vec!["ﬁona", "ﬁOna"]),
        ("strasse", vec!["straße", "STRA\u{1e9e}E", "\u{17f}trasse"]),
        ("josé", vec!["jose\u{301}", "JOSÉ", "JOSE\u{301}"]),
        ("σίσυφος", vec!["ΣΊΣΥΦΟΣ", "σίσυφοσ"]),
        ("henry 4", vec!["henry\u{a0}4", "henry\u{2003}4", "henry \u{2074}"]),
    ]
    .into_iter()
    .enumerate()
    {
        let owner = try_sign_up(&service.api, name, &format!("owner{n}@example.com")).await.expect(201);
        for other in others {
            let error = try_sign_up(&service.api, other, "another@example.com").await.expect_error(409, "CONFLICT");
            assert_eq!(error_fields(&error), ["username"], "{other:?}");
            let response = try_login(&service.api, other, PASSWORD).await.expect(200);
            assert_eq!(response["user"], owner["user"], "{other:?} must be the same account");
        }
    }
    // Another name is free.
    try_sign_up(&service.api, "bob", "bob@example.com").await.expect(201);
}

/// Letters of other scripts make a different name. Its user is a different user: it cannot access the imitated account, and no email
/// goes to the wrong address.
#[tokio::test]
async fn lookalike_name_is_a_different_account() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    ada.upload("laptop", &[query_update(&service, "1", "orders", "select 'ada'", 0)]).await;
    let (account, before) = (ada.profile().await, ada.full_download().await);
    for (n, name) in
        ["\u{430}da", "ad\u{430}", "\u{430}d\u{430}", "\u{251}da", "a\u{501}a", "ada\u{301}"].into_iter().enumerate()
    {
        let address = format!("imitator{n}@example.com");
        let body = json!({ "username": name, "email": address, "password": IMITATOR_PASSWORD });
        let response = service.api.send(Request::post("/api/auth/signup", &body)).await.expect(201);
        let imitator = TestUser::from_tokens(&service.api, name, &response);
        assert_ne!(imitator.profile().await["id"], account["id"]);
        assert_eq!(imitator.saved_query("orders").await, None);
        try_login(&service.api, name, PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
        try_login(&service.api, "ada", IMITATOR_PASSWORD).await.expect_error(401, "INVALID_CREDENTIALS");
        assert_eq!(try_login(&service.api, name, IMITATOR_PASSWORD).await.expect(200)["user"], response["user"]);

        // Links in emails affect only the imitator's account.
        verify_email(&service.api, &service.newest_token(VerifyEmail, &address).await).await.expect(200);
        request_password_reset(&service.api, &address).await.expect(200);
        let token = service.newest_token(ResetPassword, &address).await;
        reset_password(&service.api, &token, "Imitate00").await.expect(200);
        assert!(service.newest_email(PasswordChanged, "ada@example.com").await.is_none());
    }
    assert_eq!((ada.profile().await, ada.full_download().await), (account, before));
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn name_with_an_invisible_character_is_refused() {
    let service = Service::start().await;
    for name in [
        "ad\u{200b}a",
        "ada\u{200d}",
        "\u{feff}ada",
        "a\u{ad}da",
        "\u{202e}ada",
        "ada\u{2069}",
        "a\u{3164}da",
        "ada\u{fe0f}",
    ] {
        let error = try_sign_up(&service.api, name, "eve@example.com").await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), ["username"], "{name:?}");
    }
}

/// The name of a device is shown in the list of sessions.
#[tokio::test]
async fn invisible_characters_are_removed_from_device_names() {
    let service = Service::start().await;
    service.api.sign_up("ada").await;
    let body = json!({ "username": "ada", "password": PASSWORD, "device": "lap\u{202e}top\u{200b}\u{7} 1\n" });
    let session = service.api.send(Request::post("/api/auth/login", &body)).await.expect(200);
    let sessions = TestUser::from_tokens(&service.api, "ada", &session).sessions().await;
    assert!(sessions.iter().any(|session| session["device"] == "laptop 1"), "{sessions:?}");
}

/// Reserved names are refused in every spelling.
#[tokio::test]
async fn reserved_name_is_refused() {
    let service = Service::start().await;
    for name in ["admin", "ADMIN", "\u{430}dmin", "Ａｄｍｉｎ", "ad-min", "root", "SQL Studio", "support"] {
        let error = try_sign_up(&service.api, name, "eve@example.com").await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), ["username"], "{name:?}");
    }
}

/// Login accepts a name or an address, so no name may equal the address of another user.
#[tokio::test]
async fn name_cannot_be_an_address() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    for name in ["ada@example.com", "ada\u{ff20}example.com", "ada\u{fe6b}example.com", "@ada"] {
        let error = try_sign_up(&service.api, name, "eve@example.com").await.expect_error(400, "INVALID_REQUEST");
        assert_eq!(error_fields(&error), ["username"], "{name:?}");
    }
    // Conversely, a name is not a valid address.
    try_sign_up(&service.api, "eve", "ada").await.expect_error(400, "INVALID_REQUEST");
    let eve = try_sign_up(&service.api, "eve", "ada@example.com.evil.example").await.expect(201);
    let response = try_login(&service.api, "ada@example.com", PASSWORD).await.expect(200);
    assert_eq!(response["user"], ada.profile().await);
    assert_ne!(response["user"], eve["user"]);
}

/// Ids are compared bytewise, so lookalike ids are different items.
#[tokio::test]
async fn lookalike_ids_are_different_items() {
    let service = Service::start().await;
    let ada = TestUser::sign_up(&service.api, "ada").await;
    let ids = ["orders", "Orders", "\u{43e}rders", "orders\u{200b}", "ｏrders", "orders ", "é", "e\u{301}"];
    for id in ids {
        let mut change = query_update(&service, &format!("change {id}"), id, id, 0);
        change["data"] = saved_query("q", &format!("select '{id}'"));
        let response = ada.upload("laptop", &[change]).await;
        assert_eq!(response["applied"][0]["sync_version"], 1, "{id:?}: {response}");
    }
    for id in ids {
        assert_eq!(ada.query_text(id).await, Some(format!("select '{id}'")));
    }
}
