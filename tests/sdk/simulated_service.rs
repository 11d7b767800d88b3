//! The service on a port, with a second port by which a simulation controls it.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use local::{App, Stores};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::auth::PasswordCost;
use shared::clock::Clock;
use shared::models::Timestamp;
use tempfile::TempDir;
use tests::{Api, Backends, Service};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, MutexGuard};

/// A schedule logs in many times, and is not about passwords.
const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

/// Quota of an account that is soon full.
const SMALL_QUOTA: [(&str, &str); 2] = [("USER_ITEMS", "9"), ("USER_BYTES", "40000")];

/// Number of accounts per request when cursors are invalidated.
const BATCH: usize = 10;

/// Time that statements in progress may take when a server stops.
const STOP: Duration = Duration::from_secs(10);

/// The service on a port of this machine, and the routes by which a simulation controls it:
///
/// | `POST /control/…` | effect |
/// | --- | --- |
/// | `start {"small_quota"}` | replaces the service by one without accounts, at the start of 2026 |
/// | `clock {"now"}` | sets the clock |
/// | `purge` | removes what is due |
/// | `back-up` | copies the file of the stores |
/// | `restore` | replaces the file by the copy, and restarts the server |
/// | `invalidate-cursors` | invalidates the cursors of all devices |
/// | `restart` | restarts the server: requests in progress end without a response |
pub(crate) struct SimulatedService {
    /// Base URL of the service.
    pub(crate) url: String,
    /// Base URL of the routes that control it.
    pub(crate) control_url: String,
}

impl SimulatedService {
    /// Starts the service, without accounts.
    ///
    /// # Panics
    /// If no port is free.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a listener can be polled");
        let url = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
        let service = new_service(false).await;
        let server = Server::start(&listener, &service);
        let simulated = Arc::new(Mutex::new(Simulated { listener, server, service, backup: None }));
        let control = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let control_url = format!("http://{}", control.local_addr().expect("a bound listener has an address"));
        tokio::spawn(async move { axum::serve(control, control_routes(simulated)).await });
        Self { url, control_url }
    }
}

struct Simulated {
    listener: TcpListener,
    server: Server,
    service: Service,
    backup: Option<TempDir>,
}

type Control = State<Arc<Mutex<Simulated>>>;

fn control_routes(simulated: Arc<Mutex<Simulated>>) -> Router {
    let routes = Router::new()
        .route("/start", post(start))
        .route("/clock", post(set_clock))
        .route("/purge", post(purge))
        .route("/back-up", post(back_up))
        .route("/restore", post(restore))
        .route("/invalidate-cursors", post(invalidate_cursors))
        .route("/restart", post(restart));
    Router::new().nest("/control", routes).with_state(simulated)
}

#[derive(Deserialize)]
struct StartRequest {
    small_quota: bool,
}

async fn start(State(simulated): Control, Json(request): Json<StartRequest>) -> Json<Value> {
    let mut simulated = stopped(&simulated).await;
    simulated.backup = None;
    let service = new_service(request.small_quota).await;
    simulated.serve(service)
}

#[derive(Deserialize)]
struct ClockRequest {
    now: String,
}

async fn set_clock(State(simulated): Control, Json(request): Json<ClockRequest>) -> Json<Value> {
    let simulated = simulated.lock().await;
    simulated.service.clock.set(request.now.parse::<Timestamp>().expect("a time"));
    Json(json!({}))
}

async fn purge(State(simulated): Control) -> Json<Value> {
    Json(json!(simulated.lock().await.service.purge().await))
}

async fn back_up(State(simulated): Control) -> Json<Value> {
    let mut simulated = simulated.lock().await;
    simulated.backup = Some(simulated.service.back_up());
    Json(json!({}))
}

async fn restore(State(simulated): Control) -> Json<Value> {
    let mut simulated = stopped(&simulated).await;
    let replaced = std::mem::replace(&mut simulated.service, new_service(false).await);
    let backup = simulated.backup.as_ref().expect("a backup was made");
    let service = with_cheap_passwords(replaced.restored_from(backup).await);
    simulated.serve(service)
}

async fn invalidate_cursors(State(simulated): Control) -> Json<Value> {
    let service = &simulated.lock().await.service;
    let accounts = service.app.stores.data().invalidate_cursors(service.clock.now(), BATCH).await;
    Json(json!({ "accounts": accounts.expect("the store responds") }))
}

async fn restart(State(simulated): Control) -> Json<Value> {
    let mut simulated = stopped(&simulated).await;
    let App { config, random, .. } = &simulated.service.app;
    let stores = Stores::open(&config.stores, random).await.expect("the stores open");
    simulated.service.app.stores = stores;
    simulated.server = Server::start(&simulated.listener, &simulated.service);
    Json(json!({}))
}

/// Stops the server. It does not accept connections until another one starts; those that clients open wait for it.
async fn stopped(simulated: &Mutex<Simulated>) -> MutexGuard<'_, Simulated> {
    let mut simulated = simulated.lock().await;
    simulated.server.stop().await;
    simulated
}

impl Simulated {
    fn serve(&mut self, service: Service) -> Json<Value> {
        self.service = service;
        self.server = Server::start(&self.listener, &self.service);
        Json(json!({}))
    }
}

async fn new_service(small_quota: bool) -> Service {
    let quota = if small_quota { &SMALL_QUOTA[..] } else { &[] };
    let settings = [&[("RATE_LIMITS", "off")], quota].concat();
    with_cheap_passwords(Service::on_backends(Backends::none(), &settings).await)
}

fn with_cheap_passwords(mut service: Service) -> Service {
    service.app.password_cost = CHEAP;
    service.api = Api::Router(service.app.router().expect("there is a signing key"));
    service
}

/// Accepts connections and serves them. A runtime of its own, whose end breaks all connections.
struct Server(Option<Runtime>);

impl Server {
    fn start(listener: &TcpListener, service: &Service) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let router = local::with_edge(service.app.router().expect("there is a signing key"));
        let listener = listener.try_clone().expect("a listener can be cloned");
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener can be polled");
            axum::serve(listener, router).await
        });
        Self(Some(runtime))
    }

    /// Cuts all requests off, and waits for the statements in progress.
    async fn stop(&mut self) {
        if let Some(runtime) = self.0.take() {
            let stopping = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(STOP));
            stopping.await.expect("the runtime stops");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
