//! Stolen refresh tokens, and sessions that somebody else has chosen.

use axum::http::Method;
use serde_json::{Value, json};
use tests::{Call, PASSWORD, Person, Service, refresh};

use crate::people::session_of;

/// Past the seconds for which a lost answer is forgiven.
const PAST_THE_GRACE: i64 = 11;

/// Who holds the next pair after `token`.
async fn refreshes(person: &Person) -> Person {
    let answer = refresh(&person.api, &person.refresh_token).await.expect(200);
    Person::holding(&person.api, &person.name, &answer)
}

async fn is_shut_out(person: &Person) {
    person.gets("/api/auth/profile").await.refused(401, "UNAUTHORIZED");
    refresh(&person.api, &person.refresh_token).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_stolen_refresh_token_that_comes_second_ends_the_session_for_both() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let elsewhere = ada.logs_in().await;
    let owner = refreshes(&ada).await;
    assert!(owner.is_let_in().await);
    service.clock.advance(PAST_THE_GRACE);
    refresh(&service.api, &ada.refresh_token).await.refused(401, "REFRESH_TOKEN_REUSED");
    is_shut_out(&owner).await;
    ada.gets("/api/auth/profile").await.refused(401, "UNAUTHORIZED");
    assert!(elsewhere.is_let_in().await, "another login is another session");
}

#[tokio::test]
async fn a_stolen_refresh_token_that_comes_first_ends_the_session_for_both() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let elsewhere = ada.logs_in().await;
    let thief = refreshes(&ada).await;
    assert!(thief.is_let_in().await);
    service.clock.advance(PAST_THE_GRACE);
    refresh(&service.api, &ada.refresh_token).await.refused(401, "REFRESH_TOKEN_REUSED");
    is_shut_out(&thief).await;
    ada.gets("/api/auth/profile").await.refused(401, "UNAUTHORIZED");
    assert!(elsewhere.is_let_in().await, "another login is another session");
}

/// However many pairs the thief has fetched since.
#[tokio::test]
async fn a_stolen_refresh_token_is_recognised_generations_later() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let mut thief = refreshes(&ada).await;
    for _ in 0..3 {
        service.clock.advance(24 * 3_600);
        thief = refreshes(&thief).await;
    }
    refresh(&service.api, &ada.refresh_token).await.refused(401, "REFRESH_TOKEN_REUSED");
    is_shut_out(&thief).await;
}

/// A thief who is as quick as a second tab is taken for one, but shares the session with its owner, and so its end.
#[tokio::test]
async fn a_quick_thief_shares_the_session_and_its_end() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let (owner, thief) = (refreshes(&ada).await, refreshes(&ada).await);
    assert_eq!(session_of(&owner.token), session_of(&thief.token));
    assert_eq!(owner.sessions().await.len(), 1);
    owner.sends(Call::new(Method::POST, "/api/auth/logout")).await.expect(200);
    is_shut_out(&thief).await;
}

/// Session fixation: Eve makes Ada's client present Eve's session, or one that Eve has made up, as she logs in.
#[tokio::test]
async fn logging_in_never_continues_a_session_that_was_brought_along() {
    let service = Service::start().await;
    let (ada, eve) = (Person::joins(&service.api, "ada").await, Person::joins(&service.api, "eve").await);
    let made_up = "11111111-1111-4111-8111-111111111111".to_owned();
    for planted in [session_of(&eve.token), session_of(&ada.token), made_up] {
        let extras = json!({ "session": planted, "session_id": planted, "sid": planted, "id": planted,
            "token": eve.token, "refresh_token": eve.refresh_token });
        let with = |mut body: Value| {
            body.as_object_mut().expect("an object").extend(extras.as_object().expect("an object").clone());
            body
        };
        let login = with(json!({ "username": "ada", "password": PASSWORD }));
        let name = format!("new {}", &planted[..8]);
        let email = format!("{}@example.com", &planted[..8]);
        let sign_up = with(json!({ "username": name, "email": email, "password": PASSWORD }));
        for (path, body, status) in [("/api/auth/login", login, 200), ("/api/auth/signup", sign_up, 201)] {
            let call = Call::post(format!("{path}?sid={planted}&session_id={planted}"), &body)
                .header("cookie", &format!("session={planted}; sid={planted}; JSESSIONID={planted}"))
                .header("x-session-id", &planted)
                .bearer(&eve.token);
            let opened = service.api.send(call).await.expect(status);
            let opened = Person::holding(&service.api, "ada", &opened);
            assert_ne!(session_of(&opened.token), planted, "{path}");
            assert_ne!(opened.refresh_token, eve.refresh_token, "{path}");
            assert!(opened.is_let_in().await, "{path}");
        }
    }
    assert_eq!(eve.account().await["username"], "eve", "Eve's session is still nobody's but hers");
    assert_eq!(eve.sessions().await.len(), 1);
    assert_eq!(ada.sessions().await.len(), 4, "the first, and one for each login");
}

#[tokio::test]
async fn a_session_that_a_client_names_without_a_token_opens_nothing() {
    let service = Service::start().await;
    let ada = Person::joins(&service.api, "ada").await;
    let (session, account) = (session_of(&ada.token), ada.account().await);
    for value in [session.as_str(), account["id"].as_str().expect("an id"), "ada"] {
        let call = Call::get(format!("/api/auth/profile?session={value}&sid={value}&user_id={value}"))
            .header("cookie", &format!("session={value}; sid={value}; user={value}"))
            .header("x-session-id", value)
            .header("x-user-id", value);
        service.api.send(call.clone()).await.refused(401, "UNAUTHORIZED");
        service.api.send(call.bearer(value)).await.refused(401, "UNAUTHORIZED");
    }
    assert!(ada.is_let_in().await);
}

/// What is said in a body or a header about who asks is not heard beside the token.
#[tokio::test]
async fn a_token_speaks_for_its_own_user_whoever_else_is_named() {
    let service = Service::start().await;
    let (ada, eve) = (Person::joins(&service.api, "ada").await, Person::joins(&service.api, "eve").await);
    let id = ada.account().await["id"].as_str().expect("an id").to_owned();
    let call = Call::get(format!("/api/auth/profile?user_id={id}&id={id}&username=ada"))
        .header("x-user-id", &id)
        .header("x-forwarded-user", "ada")
        .header("cookie", &format!("token={}", ada.token));
    assert_eq!(eve.sends(call).await.expect(200)["user"]["username"], "eve");
}
