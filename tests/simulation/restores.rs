//! Restores from a backup: a copy of the store's file takes the place of the file, an hour and many edits later. Each device
//! notices, downloads everything again, and agrees with all others.
//!
//! `RESTORE_SCHEDULES` is the number of schedules (200 by default), `SIMULATION_SEED` selects a single one.

use fastrand::Rng;
use serde_json::json;
use shared::clock::Clock;
use tests::{Backends, Device, Request, Service, connection, history, saved_query};

use crate::checks::live_items;
use crate::variable;
use crate::world::STRATEGIES;

const HOUR: i64 = 3_600;

/// Number of devices that downloaded everything again after a restore, by the reason.
#[derive(Debug, Default)]
struct Healed {
    /// The answer said so.
    by_reset: usize,
    /// The digest differed.
    by_digest: usize,
}

/// Devices of one account, before and after a restore.
struct RestoredAccount {
    service: Service,
    rng: Rng,
    name: String,
    token: String,
    devices: Vec<Device>,
    edits: usize,
}

#[tokio::test]
async fn devices_agree_after_a_restore() {
    let only = variable("SIMULATION_SEED");
    let schedules = variable("RESTORE_SCHEDULES").unwrap_or(200);
    let mut healed = Healed::default();
    for seed in only.map_or(0..schedules, |seed: u64| seed..seed + 1) {
        let outcome = tokio::spawn(run(seed)).await;
        let of_schedule = outcome.unwrap_or_else(|panic| {
            panic!("schedule {seed} failed; reproduce: SIMULATION_SEED={seed} tests/run simulation restore: {panic}")
        });
        healed.by_reset += of_schedule.by_reset;
        healed.by_digest += of_schedule.by_digest;
    }
    assert!(only.is_some() || healed.by_reset > 0 && healed.by_digest > 0, "both ways are taken: {healed:?}");
    eprintln!("{schedules} schedules, devices that downloaded everything again: {healed:?}");
}

async fn run(seed: u64) -> Healed {
    let mut account = RestoredAccount::new(seed).await;
    account.act(30, 600).await;
    let backup = account.service.back_up();
    account.act(30, HOUR / 30).await;
    account.restore(&backup).await;
    let is_invalidated = account.rng.u8(..4) == 0;
    if is_invalidated {
        let data = account.service.app.stores.data();
        data.invalidate_cursors(account.service.clock.now(), 10).await.expect("the store responds");
    }
    account.act(20, 60).await;
    account.settle().await;
    let healed = Healed {
        by_reset: account.devices.iter().map(|device| device.resets).sum(),
        by_digest: account.devices.iter().filter_map(|device| device.heals).sum(),
    };
    assert!(!is_invalidated || healed.by_digest == 0, "no cursor from before the restore is valid: {healed:?}");
    healed
}

impl RestoredAccount {
    async fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let service = Self::service().await;
        let name = format!("user-{seed}");
        let token = service.api.sign_up(&name).await["token"].as_str().expect("a token").to_owned();
        let devices = (0..rng.usize(2..=4)).map(|index| {
            let mut device = Device::new(&service.api, &token, &format!("device-{index}"));
            device = device.with_strategy(STRATEGIES[rng.usize(..STRATEGIES.len())]);
            device.truncates_to_milliseconds = rng.u8(..4) == 0;
            device.takes_current = rng.bool();
            device.page_size = [1, 2, 7, 1_000][rng.usize(..4)];
            device
        });
        let devices = devices.collect();
        Self { service, rng, name, token, devices, edits: 0 }
    }

    /// Starts a service on a file.
    async fn service() -> Service {
        Service::on_backends(Backends::none(), &[("RATE_LIMITS", "off")]).await
    }

    /// Performs up to `steps` random steps, each up to `seconds` after the one before.
    async fn act(&mut self, steps: usize, seconds: i64) {
        for _ in 0..self.rng.usize(steps / 3..=steps) {
            self.service.clock.advance(self.rng.i64(0..=seconds));
            let index = self.rng.usize(..self.devices.len());
            match self.rng.u8(..10) {
                0..5 => self.edit(index),
                5..7 => drop(self.devices[index].upload().await),
                7..9 => drop(self.devices[index].sync().await),
                _ => drop(self.devices[index].download_page().await),
            }
        }
    }

    fn edit(&mut self, index: usize) {
        self.edits += 1;
        let (now, device) = (self.service.clock.now(), &mut self.devices[index]);
        let (text, number) = (format!("select {}", self.edits), self.rng.u8(..4));
        let id = format!("i{number}");
        match self.rng.u8(..10) {
            0 if device.visible_data("saved_query", &id).is_some() => device.delete("saved_query", &id, now),
            0..6 => device.write("saved_query", &id, saved_query(&text, &text), now),
            6..8 => device.write("connection", &id, connection(&text), now),
            _ => device.write("query_history", &text, history(&text), now),
        }
    }

    /// Puts the copy in the place of the file. The devices log in again, because their sessions may be lost, too.
    async fn restore(&mut self, backup: &tempfile::TempDir) {
        let service = std::mem::replace(&mut self.service, Self::service().await);
        self.service = service.restored_from(backup).await;
        let body = json!({ "username": self.name, "password": tests::PASSWORD });
        let response = self.service.api.send(Request::post("/api/auth/login", &body)).await.expect(200);
        response["token"].as_str().expect("a token").clone_into(&mut self.token);
        for device in &mut self.devices {
            device.set_api(&self.service.api);
            device.set_token(&self.token);
            (device.heals, device.resets) = (Some(0), 0);
        }
    }

    /// Syncs all devices until no edit is pending, and checks that they have the state of a new device.
    async fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 20, "edits are never accepted");
            for device in &mut self.devices {
                if device.since.is_none() {
                    device.download().await;
                }
                device.sync().await;
            }
            if self.devices.iter().all(|device| device.unsent().next().is_none()) {
                break;
            }
        }
        let mut fresh = Device::new(&self.service.api, &self.token, "fresh");
        fresh.download().await;
        for device in &mut self.devices {
            device.download().await;
            assert_eq!(live_items(device), live_items(&fresh), "{} differs", device.id);
        }
    }
}
