//! True tokens, presented too late, for another purpose, or in another place.

use axum::http::Method;
use serde_json::json;
use shared::storage::MailKind::{ResetPassword, VerifyEmail};
use tests::{Call, PASSWORD, Person, Service, refresh};

use crate::people::{confirm, forget_password, reset_password, session_of};
use crate::tokens::{DOORS, opens_everything, opens_nothing};

async fn scene() -> (Service, Person) {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    opens_everything(&service, &ada.token).await;
    (service, ada)
}

#[tokio::test]
async fn a_token_of_an_ended_session_opens_nothing() {
    let (service, ada) = scene().await;
    let (phone, tablet, lost) = (ada.logs_in().await, ada.logs_in().await, ada.logs_in().await);
    phone.sends(Call::new(Method::POST, "/api/auth/logout")).await.expect(200);
    opens_nothing(&service, &phone.token, "logged out").await;
    ada.deletes(&format!("/api/auth/sessions/{}", session_of(&lost.token))).await.expect(200);
    opens_nothing(&service, &lost.token, "ended from elsewhere").await;
    assert!(tablet.is_let_in().await);
    let leave = Call::new(Method::DELETE, "/api/auth/profile").json(&json!({ "password": PASSWORD }));
    ada.sends(leave).await.expect(200);
    for (token, why) in [(&ada.token, "the account is gone"), (&tablet.token, "on another device, too")] {
        opens_nothing(&service, token, why).await;
    }
}

#[tokio::test]
async fn each_kind_of_token_is_good_for_its_own_purpose_alone() {
    let (service, ada) = scene().await;
    forget_password(&service.api, "ada@example.com").await.expect(200);
    let to_confirm = service.newest_token(VerifyEmail, "ada@example.com").await;
    let to_reset = service.newest_token(ResetPassword, "ada@example.com").await;
    for token in [&ada.refresh_token, &to_confirm, &to_reset] {
        opens_nothing(&service, token, "no access token").await;
    }
    for token in [&ada.token, &to_confirm, &to_reset] {
        refresh(&service.api, token).await.refused(401, "UNAUTHORIZED");
    }
    for token in [&ada.refresh_token, &to_confirm] {
        reset_password(&service.api, token, "Barley77").await.refused(410, "TOKEN_SPENT");
    }
    for token in [&ada.refresh_token, &to_reset] {
        confirm(&service.api, token).await.refused(410, "TOKEN_SPENT");
    }
    assert_eq!(ada.account().await["email_verified"], false);
    // None of that spent any of them.
    refresh(&service.api, &ada.refresh_token).await.expect(200);
    confirm(&service.api, &to_confirm).await.expect(200);
    reset_password(&service.api, &to_reset, "Barley77").await.expect(200);
}

#[tokio::test]
async fn a_token_anywhere_but_in_its_header_is_ignored() {
    let (service, ada) = scene().await;
    let token = &ada.token;
    for name in ["token", "access_token", "authorization", "jwt", "bearer"] {
        let path = format!("/api/sync/download?device_id=thief&{name}={token}");
        service.api.send(Call::get(path)).await.refused(401, "UNAUTHORIZED");
        let body = json!({ "device_id": "thief", "changes": [], name: token });
        service.api.send(Call::post("/api/sync/upload", &body)).await.refused(401, "UNAUTHORIZED");
    }
    for (name, value) in [
        ("cookie", format!("token={token}; access_token={token}; session={token}")),
        ("x-authorization", format!("Bearer {token}")),
        ("proxy-authorization", format!("Bearer {token}")),
        ("x-access-token", token.clone()),
        ("authorization", format!("Basic {token}")),
        ("authorization", token.clone()),
        ("authorization", format!("Bearer,{token}")),
    ] {
        for door in DOORS {
            service.api.send(Call::get(door).header(name, &value)).await.refused(401, "UNAUTHORIZED");
        }
    }
    opens_everything(&service, token).await;
}
