use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use tests::{Api, Device, Request};
use tokio::time::sleep;

use crate::accounts::{log_in, refresh, sign_up};
use crate::expected_state::ExpectedState;
use crate::monitor::Monitor;
use crate::uploads::Upload;

/// Pause between two actions of a user, in milliseconds.
const PAUSE: std::ops::Range<u64> = 300..1_500;

/// User with two devices that performs one action after another. Within an action, both devices may send requests
/// concurrently.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) api: Api,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) rng: Rng,
    pub(crate) devices: [Device; 2],
    pub(crate) expected: ExpectedState,
    /// Uploads for repetition.
    pub(crate) uploads: Vec<Upload>,
    /// Number of generated texts.
    pub(crate) texts: usize,
    /// Current session of each device.
    sessions: [Value; 2],
    guests: usize,
}

impl User {
    /// Runs a new user until the end of the test.
    pub(crate) async fn live(name: String, api: Api, monitor: Arc<Monitor>, rng: Rng) {
        let mut user = Self::new(name, api, monitor, rng).await;
        while !user.monitor.is_finished() {
            user.act().await;
            sleep(Duration::from_millis(user.rng.u64(PAUSE))).await;
        }
        user.verify().await;
    }

    async fn new(name: String, api: Api, monitor: Arc<Monitor>, rng: Rng) -> Self {
        let sessions = [sign_up(&api, &name).await, log_in(&api, &name).await];
        let device = |device_index: usize, id: &str| Device::new(&api, token(&sessions[device_index], "token"), id);
        let mut devices = [device(0, "laptop"), device(1, "phone")];
        // A clock skew, so that the later upload is not always the later edit; and small pages.
        devices[1].clock_skew_seconds = -1;
        devices[1].page_size = 20;
        for device in &mut devices {
            // After the first download, each device receives all changes including deletions.
            device.download().await;
        }
        let (expected, uploads) = (ExpectedState::default(), Vec::new());
        Self { name, api, monitor, rng, devices, expected, uploads, texts: 0, sessions, guests: 0 }
    }

    async fn act(&mut self) {
        match self.rng.u8(..100) {
            0..60 => self.upload_on_both_devices().await,
            60..74 => self.download_on_both_devices().await,
            74..84 => self.resolve_a_conflict().await,
            84..88 => self.repeat_an_upload().await,
            88..93 => self.read_status().await,
            93..96 => self.refresh_session().await,
            96 => self.log_in_again().await,
            97 => self.sign_up_guest().await,
            _ => self.verify().await,
        }
    }

    /// Reports a violation of the contract.
    pub(crate) fn violation(&self, reason: &str) {
        self.monitor.violation(&format!("{}: {reason}", self.name));
    }

    /// Returns a new device without data.
    pub(crate) fn new_device(&mut self) -> Device {
        let mut device = Device::new(&self.api, token(&self.sessions[0], "token"), "tablet");
        device.page_size = [20, 200, 1_000][self.rng.usize(..3)];
        device
    }

    pub(crate) fn random_device(&mut self) -> usize {
        self.rng.usize(..self.devices.len())
    }

    async fn read_status(&mut self) {
        let device_index = self.random_device();
        for path in ["/api/sync/status", "/api/sync/conflicts?limit=10", "/ready"] {
            self.devices[device_index].send(Request::get(path)).await.expect(200);
        }
    }

    async fn refresh_session(&mut self) {
        let device_index = self.random_device();
        let session = refresh(&self.api, &self.name, token(&self.sessions[device_index], "refresh_token")).await;
        self.set_session(device_index, session);
    }

    async fn log_in_again(&mut self) {
        let device_index = self.random_device();
        let session = log_in(&self.api, &self.name).await;
        self.set_session(device_index, session);
    }

    fn set_session(&mut self, device_index: usize, session: Value) {
        self.devices[device_index].set_token(token(&session, "token"));
        self.sessions[device_index] = session;
    }

    async fn sign_up_guest(&mut self) {
        self.guests += 1;
        sign_up(&self.api, &format!("{}-guest{}", self.name, self.guests)).await;
    }
}

fn token<'a>(session: &'a Value, name: &str) -> &'a str {
    session[name].as_str().expect("a session has tokens")
}
