use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use tests::{Api, Device, Request};
use tokio::time::sleep;

use crate::accounts::{log_in, refresh, sign_up};
use crate::books::Books;
use crate::uploads::Upload;
use crate::watch::Watch;

/// Milliseconds between what a user does and what they do next.
const PAUSE: std::ops::Range<u64> = 300..1_500;

/// Somebody with two devices, who does one thing after the other. Within one, both devices may ask at once.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) api: Api,
    pub(crate) watch: Arc<Watch>,
    pub(crate) dice: Rng,
    pub(crate) devices: [Device; 2],
    pub(crate) books: Books,
    /// Some uploads, for repeating.
    pub(crate) uploads: Vec<Upload>,
    /// How many texts were made up.
    pub(crate) texts: usize,
    /// What each device got when it last logged in or refreshed.
    sessions: [Value; 2],
    guests: usize,
}

impl User {
    /// A new user until the end.
    pub(crate) async fn live(name: String, api: Api, watch: Arc<Watch>, dice: Rng) {
        let mut user = Self::new(name, api, watch, dice).await;
        while !user.watch.is_over() {
            user.does_something().await;
            sleep(Duration::from_millis(user.dice.u64(PAUSE))).await;
        }
        user.verify().await;
    }

    async fn new(name: String, api: Api, watch: Arc<Watch>, dice: Rng) -> Self {
        let sessions = [sign_up(&api, &name).await, log_in(&api, &name).await];
        let device = |who: usize, id: &str| Device::new(&api, token(&sessions[who], "token"), id);
        let mut devices = [device(0, "laptop"), device(1, "phone")];
        // So that who comes later is not always the later one; and so that there are many pages, too.
        devices[1].clock_skew_seconds = -1;
        devices[1].page_size = 20;
        for device in &mut devices {
            // From here on each gets everything as it changes, deletions included.
            device.download().await;
        }
        let (books, uploads) = (Books::default(), Vec::new());
        Self { name, api, watch, dice, devices, books, uploads, texts: 0, sessions, guests: 0 }
    }

    async fn does_something(&mut self) {
        match self.dice.u8(..100) {
            0..60 => self.both_upload().await,
            60..74 => self.both_download().await,
            74..84 => self.settles_a_conflict().await,
            84..88 => self.repeats_an_upload().await,
            88..93 => self.looks_around().await,
            93..96 => self.refreshes().await,
            96 => self.logs_in().await,
            97 => self.brings_a_guest().await,
            _ => self.verify().await,
        }
    }

    /// Tells that something is not as promised.
    pub(crate) fn wrong(&self, what: &str) {
        self.watch.wrong(&format!("{}: {what}", self.name));
    }

    /// A device that has nothing yet.
    pub(crate) fn newcomer(&mut self) -> Device {
        let mut device = Device::new(&self.api, token(&self.sessions[0], "token"), "tablet");
        device.page_size = [20, 200, 1_000][self.dice.usize(..3)];
        device
    }

    pub(crate) fn somebody(&mut self) -> usize {
        self.dice.usize(..self.devices.len())
    }

    async fn looks_around(&mut self) {
        let who = self.somebody();
        for path in ["/api/sync/status", "/api/sync/conflicts?limit=10", "/ready"] {
            self.devices[who].send(Request::get(path)).await.expect(200);
        }
    }

    async fn refreshes(&mut self) {
        let who = self.somebody();
        let session = refresh(&self.api, &self.name, token(&self.sessions[who], "refresh_token")).await;
        self.holds(who, session);
    }

    async fn logs_in(&mut self) {
        let who = self.somebody();
        let session = log_in(&self.api, &self.name).await;
        self.holds(who, session);
    }

    fn holds(&mut self, who: usize, session: Value) {
        self.devices[who].set_token(token(&session, "token"));
        self.sessions[who] = session;
    }

    async fn brings_a_guest(&mut self) {
        self.guests += 1;
        sign_up(&self.api, &format!("{}-guest{}", self.name, self.guests)).await;
    }
}

fn token<'a>(session: &'a Value, name: &str) -> &'a str {
    session[name].as_str().expect("a session has tokens")
}
