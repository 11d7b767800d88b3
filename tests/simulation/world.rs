use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::models::Timestamp;
use tests::{Device, Edits, Request, Service};

pub(crate) const STRATEGIES: [&str; 6] = ["last_write_wins", "keep_both", "user_choice", "merge", "merge", "refuse"];

/// State of a schedule: one account, its devices, and their history.
pub(crate) struct World<'a> {
    pub(crate) service: &'a Service,
    name: String,
    pub(crate) token: String,
    pub(crate) rng: Rng,
    pub(crate) devices: Vec<Device>,
    pub(crate) edits: Edits,
    /// Uploaded changes with the index of their device, as candidates for repeats.
    pub(crate) uploaded_changes: Vec<(usize, Value)>,
    /// First result of each change, by change id: the entry in `applied`, or the id of the conflict.
    pub(crate) first_results: BTreeMap<String, Value>,
    /// Whether a purge may have removed conflicts.
    pub(crate) conflicts_purged: bool,
    /// Whether the account is soon full.
    pub(crate) has_small_quota: bool,
    pub(crate) verbose: bool,
}

impl<'a> World<'a> {
    pub(crate) async fn new(service: &'a Service, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Each schedule starts at the same time, so that it is reproducible alone.
        service.clock.set("2026-01-01T00:00:00Z".parse().expect("a time"));
        let name = format!("user-{seed}");
        let account = service.api.sign_up(&name).await;
        let token = account["token"].as_str().expect("a token").to_owned();
        let devices = (0..rng.usize(3..=5)).map(|index| {
            let strategy = STRATEGIES[rng.usize(..STRATEGIES.len())];
            let mut device = Device::new(&service.api, &token, &format!("device-{index}")).with_strategy(strategy);
            device.clock_skew_seconds = [0, 0, 1, 86_400, -86_400][rng.usize(..5)];
            device.truncates_to_milliseconds = rng.u8(..4) == 0;
            device.takes_current = rng.bool();
            device.page_size = [1, 2, 7, 1_000][rng.usize(..4)];
            device
        });
        let devices = devices.collect();
        Self {
            service,
            name,
            token,
            rng,
            devices,
            edits: Edits::default(),
            uploaded_changes: Vec::new(),
            first_results: BTreeMap::new(),
            conflicts_purged: false,
            has_small_quota: seed % 2 == 1,
            verbose: false,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.service.clock.now()
    }

    /// Runs the schedule and checks the result. `verbose` prints each step.
    pub(crate) async fn run(mut self, verbose: bool) {
        self.verbose = verbose;
        for _ in 0..self.rng.usize(20..=60) {
            self.step().await;
        }
        self.sync_until_idle().await;
        self.assert_devices_agree().await;
        self.assert_no_edit_lost().await;
        self.assert_within_quota().await;
        if self.rng.u8(..4) == 0 {
            self.delete_account_during_uploads().await;
        }
    }

    /// Logs in again, because the devices' tokens may have expired.
    pub(crate) async fn log_in(&mut self) {
        let body = json!({ "username": self.name, "password": "Sesame42" });
        let response = self.service.api.send(Request::post("/api/auth/login", &body)).await.expect(200);
        response["token"].as_str().expect("a token").clone_into(&mut self.token);
        for device in &mut self.devices {
            device.set_token(&self.token);
        }
    }

    #[expect(clippy::print_stdout, reason = "a single schedule prints its steps")]
    pub(crate) fn log_step(&self, message: impl FnOnce() -> String) {
        if self.verbose {
            println!("{} {}", self.now(), message());
        }
    }
}
