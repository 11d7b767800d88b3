//! Two devices meet a conflict, under each strategy.

use serde_json::json;
use shared::clock::Clock;
use tests::{Call, Device, Service, saved_query};

async fn two_devices(service: &Service, strategy: &str) -> (Device, Device) {
    let token = service.api.sign_up("ada").await["token"].as_str().unwrap().to_owned();
    let device = |id| Device::new(&service.api, &token, id).settling_by(strategy);
    let (mut laptop, mut phone) = (device("laptop"), device("phone"));
    laptop.writes("saved_query", "q", saved_query("orders", "select 1"), service.clock.now());
    laptop.syncs().await;
    phone.syncs().await;
    service.clock.advance(60);
    (laptop, phone)
}

#[tokio::test]
async fn the_later_edit_wins_and_the_other_can_be_brought_back() {
    let service = Service::start().await;
    let (mut laptop, mut phone) = two_devices(&service, "last_write_wins").await;
    phone.writes("saved_query", "q", saved_query("orders", "select 'phone'"), service.clock.now());
    service.clock.advance(60);
    laptop.writes("saved_query", "q", saved_query("orders", "select 'laptop'"), service.clock.now());
    laptop.syncs().await;

    let answer = phone.syncs().await;
    assert_eq!(answer["success"], true);
    assert_eq!(answer["applied"], json!([]));
    let conflict = &answer["conflicts"][0];
    assert_eq!(conflict["winner"], "remote");
    assert_eq!(conflict["resolution"], "last_write_wins");
    assert_eq!(phone.sees("saved_query", "q").unwrap()["query"], "select 'laptop'");

    let path = format!("/api/sync/conflicts/{}/resolve", conflict["id"].as_str().unwrap());
    let choice = json!({ "strategy": "user_choice", "chosen_version": "local" });
    let settled = phone.send(Call::post(path.as_str(), &choice)).await.expect(200);
    assert_eq!(settled["item"]["query"], "select 'phone'");
    assert_eq!(settled["item"]["sync_version"], 3);
    laptop.downloads().await;
    assert_eq!(laptop.sees("saved_query", "q").unwrap()["query"], "select 'phone'");
    let again = phone.send(Call::post(path.as_str(), &choice)).await.expect(200);
    assert_eq!(again, settled);
    let other = json!({ "strategy": "user_choice", "chosen_version": "remote" });
    phone.send(Call::post(path.as_str(), &other)).await.refused(409, "CONFLICT");
}
