use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::models::Timestamp;
use tests::{Call, Device, Edits, Service};

const STRATEGIES: [&str; 3] = ["last_write_wins", "keep_both", "user_choice"];

/// One account, its devices, and what they have done.
pub(crate) struct World<'a> {
    pub(crate) service: &'a Service,
    name: String,
    pub(crate) token: String,
    pub(crate) rng: Rng,
    pub(crate) devices: Vec<Device>,
    pub(crate) edits: Edits,
    /// Changes that were uploaded, with the device, for repeating.
    pub(crate) uploaded: Vec<(usize, Value)>,
    /// How each change was answered the first time.
    pub(crate) answered: BTreeMap<String, Value>,
    pub(crate) purged: bool,
    pub(crate) to_otel_span: bool,
}

impl<'a> World<'a> {
    pub(crate) async fn new(service: &'a Service, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Each schedule starts at the same moment, so that it is the same when it is run alone.
        service.clock.set("2026-01-01T00:00:00Z".parse().expect("a time"));
        let name = format!("user-{seed}");
        let account = service.api.sign_up(&name).await;
        let token = account["token"].as_str().expect("a token").to_owned();
        let devices = (0..rng.usize(3..=5)).map(|place| {
            let strategy = STRATEGIES[rng.usize(..STRATEGIES.len())];
            let mut device = Device::new(&service.api, &token, &format!("device-{place}")).settling_by(strategy);
            device.skew = [0, 0, 1, 86_400, -86_400][rng.usize(..5)];
            device.rounds = rng.u8(..4) == 0;
            device.page = [1, 2, 7, 1_000][rng.usize(..4)];
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
            uploaded: Vec::new(),
            answered: BTreeMap::new(),
            purged: false,
            to_otel_span: false,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.service.clock.now()
    }

    /// Lives through the schedule, and sees what came of it; `to_otel_span` prints each step.
    pub(crate) async fn live(mut self, to_otel_span: bool) {
        self.to_otel_span = to_otel_span;
        for _ in 0..self.rng.usize(20..=60) {
            self.step().await;
        }
        self.settle_down().await;
        self.devices_agree().await;
        self.nothing_is_lost().await;
        if self.rng.u8(..4) == 0 {
            self.is_erased_while_devices_are_at_it().await;
        }
    }

    /// The devices' tokens may have expired.
    pub(crate) async fn log_in(&mut self) {
        let body = json!({ "username": self.name, "password": "Sesame42" });
        let answer = self.service.api.send(Call::post("/api/auth/login", &body)).await.expect(200);
        answer["token"].as_str().expect("a token").clone_into(&mut self.token);
        for device in &mut self.devices {
            device.authenticates(&self.token);
        }
    }

    #[expect(clippy::print_stdout, reason = "a schedule that is run alone tells its steps")]
    pub(crate) fn tell(&self, what: impl FnOnce() -> String) {
        if self.to_otel_span {
            println!("{} {}", self.now(), what());
        }
    }
}
