use std::collections::BTreeMap;
use std::time::Duration;

use local::{App, with_edge};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use shared::auth::PasswordCost;
use tempfile::TempDir;

use super::account::Account;
use super::{Recipe, honest_upload};
use crate::{Api, Backends, PASSWORD, Request, Service, login_request};

/// Cost of a password hash: nearly none, so that it does not hide the other costs of a request.
const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

/// Number of repeated measurements, of which the lowest counts. Other processes and cold caches only add to a cost.
const REPEATS: usize = 3;

/// Number of sessions that requests may open before the state is restored.
const MAX_OPENED: usize = 5;

/// Cost that is so high that other processes have no part in it.
const CLEAR: Duration = Duration::from_secs(1);

/// Values that a client knows, such as its access token, by the name that stands for them in a recipe.
#[derive(Debug, Clone, Default)]
pub struct Live(BTreeMap<&'static str, String>);

impl Live {
    /// Returns the value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns all names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

impl FromIterator<(&'static str, String)> for Live {
    fn from_iter<I: IntoIterator<Item = (&'static str, String)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Cost of a request.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Processor time of the whole process.
    pub cpu: Duration,
    /// Status of the response.
    pub status: u16,
}

/// The service with an account that holds much, in the same state before every measurement. The rest of the process must be
/// idle during one.
pub struct Stage {
    /// Values of the account.
    pub live: Live,
    /// The service, with a cheap password hash; `None` only while it is replaced.
    service: Option<Service>,
    api: Api,
    backup: TempDir,
    is_changed: bool,
    /// Number of sessions opened since the last reset.
    opened: usize,
}

impl Stage {
    /// Starts the service on the embedded stores, and fills the account.
    ///
    /// # Panics
    /// If a request of the preparation fails.
    pub async fn prepare() -> Self {
        let service = Service::on_backends(Backends::none(), &[("RATE_LIMITS", "off")]).await;
        let api = api_of(&service);
        let live = Account::sign_up(&api).await.fill().await;
        let backup = service.back_up();
        Self { live, service: Some(service), api, backup, is_changed: true, opened: 0 }
    }

    /// Returns the lowest cost of several measurements, of which no further one is made below `enough`; `None` if there can be no
    /// such request.
    pub async fn lowest_cost(&mut self, recipe: &Recipe, enough: Duration) -> Option<Measured> {
        let request = recipe.prepare(&self.live)?.request;
        let mut lowest = self.measure(request.clone()).await;
        for _ in 1..REPEATS {
            if lowest.cpu <= enough || lowest.cpu >= CLEAR {
                break;
            }
            let measured = self.measure(request.clone()).await;
            lowest = if measured.cpu < lowest.cpu { measured } else { lowest };
        }
        Some(lowest)
    }

    /// Returns the cost of an honest upload of 10 MB.
    ///
    /// # Panics
    /// If the upload is refused.
    pub async fn honest_cost(&mut self) -> Duration {
        let request = honest_upload().bearer(self.live.get("$token").unwrap_or_default());
        let mut costs = Vec::new();
        for _ in 0..REPEATS {
            let measured = self.measure(request.clone()).await;
            assert_eq!(measured.status, 200, "the honest upload is refused");
            costs.push(measured.cpu);
        }
        costs.into_iter().min().unwrap_or_default()
    }

    async fn measure(&mut self, request: Request) -> Measured {
        if self.is_changed {
            self.reset().await;
        }
        let opens_session = ["/api/auth/login", "/api/auth/signup"].contains(&request.path.as_str());
        let changes = request.method != axum::http::Method::GET;
        let start = cpu_time();
        let response = self.api.send(request).await;
        let cpu = cpu_time().saturating_sub(start);
        if changes && response.status < 300 {
            // The account has room for a few sessions more, and a reset takes long.
            self.opened += usize::from(opens_session);
            self.is_changed = !opens_session || self.opened > MAX_OPENED;
        }
        Measured { cpu, status: response.status }
    }

    /// Restores the state after the preparation, and fills the caches.
    async fn reset(&mut self) {
        if let Some(service) = self.service.take() {
            let service = service.restored_from(&self.backup).await;
            self.api = api_of(&service);
            self.service = Some(service);
        }
        self.api.send(login_request("ada", PASSWORD)).await.expect(200);
        for path in ["/api/sync/status", "/api/sync/download?device_id=warm&limit=1", "/ready"] {
            let request = Request::get(path).bearer(self.live.get("$token").unwrap_or_default());
            self.api.send(request).await.expect(200);
        }
        (self.is_changed, self.opened) = (false, 0);
    }
}

/// The router as the local server serves it, except for the cheap password hash.
fn api_of(service: &Service) -> Api {
    let app = App { password_cost: CHEAP, ..service.app.clone() };
    Api::Router(with_edge(app.router().expect("there is a signing key")))
}

/// Processor time of this process since its start.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Returns the routes of the OpenAPI document, such as `get /health`.
///
/// # Panics
/// If the document cannot be written.
pub fn described_routes() -> Vec<String> {
    let document: Value = serde_json::from_str(&local::document().expect("it can be written")).expect("JSON");
    let paths = document["paths"].as_object().into_iter().flatten();
    let routes = paths.flat_map(|(path, operations)| {
        operations.as_object().into_iter().flatten().map(move |(method, _)| format!("{method} {path}"))
    });
    routes.collect()
}
