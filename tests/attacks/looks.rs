//! Names that look like somebody else's.

use serde_json::json;
use shared::storage::MailKind::{PasswordChanged, ResetPassword, VerifyEmail};
use tests::{Call, PASSWORD, Person, Service, fields, saved_query, try_login, write};

use crate::people::{confirm, forget_password, reset_password, try_sign_up};

/// The password of whoever imitates somebody.
const ANOTHER: &str = "Imitate99";

/// The same letters in other clothes: another case, another width, composed otherwise, or joined.
#[tokio::test]
async fn a_name_in_other_clothes_is_taken() {
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
            let error = try_sign_up(&service.api, other, "another@example.com").await.refused(409, "CONFLICT");
            assert_eq!(fields(&error), ["username"], "{other:?}");
            let answer = try_login(&service.api, other, PASSWORD).await.expect(200);
            assert_eq!(answer["user"], owner["user"], "{other:?} is the same name, and so the same account");
        }
    }
    // What is none of these names is free.
    try_sign_up(&service.api, "bob", "bob@example.com").await.expect(201);
}

/// Letters of other scripts, and characters that are not seen, make another name. Whoever has it is another user in
/// everything: it opens nothing of the one who is imitated, and no mail goes astray.
#[tokio::test]
async fn a_name_that_only_looks_the_same_opens_nothing_of_the_others() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    ada.uploads("laptop", &[write(&service, "1", "orders", "select 'ada'", 0)]).await;
    let (account, before) = (ada.account().await, ada.everything().await);
    for (n, name) in [
        "\u{430}da",
        "ad\u{430}",
        "\u{430}d\u{430}",
        "\u{251}da",
        "a\u{501}a",
        "ad\u{200b}a",
        "ada\u{200d}",
        "\u{feff}ada",
        "a\u{ad}da",
        "\u{202e}ada",
        "ada\u{301}",
    ]
    .into_iter()
    .enumerate()
    {
        let address = format!("imitator{n}@example.com");
        let body = json!({ "username": name, "email": address, "password": ANOTHER });
        let answer = service.api.send(Call::post("/api/auth/signup", &body)).await.expect(201);
        let imitator = Person::holding(&service.api, name, &answer);
        assert_ne!(imitator.account().await["id"], account["id"]);
        assert_eq!(imitator.saved("orders").await, None);
        try_login(&service.api, name, PASSWORD).await.refused(401, "INVALID_CREDENTIALS");
        try_login(&service.api, "ada", ANOTHER).await.refused(401, "INVALID_CREDENTIALS");
        assert_eq!(try_login(&service.api, name, ANOTHER).await.expect(200)["user"], answer["user"]);

        // What the imitator does by mail happens to the imitator.
        confirm(&service.api, &service.newest_token(VerifyEmail, &address).await).await.expect(200);
        forget_password(&service.api, &address).await.expect(200);
        let token = service.newest_token(ResetPassword, &address).await;
        reset_password(&service.api, &token, "Imitate00").await.expect(200);
        assert!(service.newest_mail(PasswordChanged, "ada@example.com").await.is_none());
    }
    assert_eq!((ada.account().await, ada.everything().await), (account, before));
    try_login(&service.api, "ada", PASSWORD).await.expect(200);
}

/// Login takes a name or an address: nobody may be called like somebody else's address.
#[tokio::test]
async fn a_name_cannot_be_an_address() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    for name in ["ada@example.com", "ada\u{ff20}example.com", "ada\u{fe6b}example.com", "@ada"] {
        let error = try_sign_up(&service.api, name, "eve@example.com").await.refused(400, "INVALID_REQUEST");
        assert_eq!(fields(&error), ["username"], "{name:?}");
    }
    // The other way round: an address that is a name is no address.
    try_sign_up(&service.api, "eve", "ada").await.refused(400, "INVALID_REQUEST");
    let eve = try_sign_up(&service.api, "eve", "ada@example.com.evil.example").await.expect(201);
    let answer = try_login(&service.api, "ada@example.com", PASSWORD).await.expect(200);
    assert_eq!(answer["user"], ada.account().await);
    assert_ne!(answer["user"], eve["user"]);
}

/// Ids are compared as they were written: two that look the same are two items, and neither replaces the other.
#[tokio::test]
async fn ids_that_look_the_same_are_different_items() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let ids = ["orders", "Orders", "\u{43e}rders", "orders\u{200b}", "ｏrders", "orders ", "é", "e\u{301}"];
    for id in ids {
        let mut change = write(&service, &format!("change {id}"), id, id, 0);
        change["data"] = saved_query("q", &format!("select '{id}'"));
        let answer = ada.uploads("laptop", &[change]).await;
        assert_eq!(answer["applied"][0]["sync_version"], 1, "{id:?}: {answer}");
    }
    for id in ids {
        assert_eq!(ada.reads(id).await, Some(format!("select '{id}'")));
    }
}
