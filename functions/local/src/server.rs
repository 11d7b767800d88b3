use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use hyper_util::server::graceful::GracefulShutdown;
use shared::http::ClientAddress;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::connections::{ConnectionLimits, Connections, serve_connection};
use crate::edge::{drain_bodies, offer_gzip_alone};
use crate::proxies::TrustedProxies;

/// Time for which requests in flight may continue after the first signal.
const GRACE: Duration = Duration::from_secs(20);

/// Way in which a server was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// By one signal: work in progress may be finished.
    Graceful,
    /// By a second signal: at once.
    Immediate,
}

/// Pause after a failure to accept a connection, such as a lack of descriptors, which a retry alone does not remedy.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Interval between warnings about such failures.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Wraps `router` in the tasks that API Gateway does for the functions, such as the compression of responses. Higher levels of
/// compression take up to 90 ns per byte for texts with many short repetitions.
pub fn with_edge(router: Router) -> Router {
    router
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(from_fn(offer_gzip_alone))
        .layer(from_fn(drain_bodies))
}

/// Serves `router` on `listener` until SIGTERM or SIGINT, then finishes the requests in flight. A second signal ends it at once.
///
/// # Errors
/// When signals cannot be handled.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    proxies: TrustedProxies,
) -> std::io::Result<Stop> {
    let router = with_edge(router).layer(from_fn_with_state(proxies.clone(), record_client_address));
    let server = Server { router, connections: Connections::new(limits), proxies, graceful: GracefulShutdown::new() };
    let mut signals = StopSignals::listen()?;
    tokio::select! {
        () = server.accept_all(listener) => {}
        () = signals.next() => {}
    }
    tracing::info!("stopping; a second signal stops at once");
    tokio::select! {
        () = server.graceful.shutdown() => Ok(Stop::Graceful),
        () = tokio::time::sleep(GRACE) => {
            tracing::warn!("requests were cut off after the grace period");
            Ok(Stop::Graceful)
        }
        () = signals.next() => {
            tracing::warn!("requests were cut off by a second signal");
            Ok(Stop::Immediate)
        }
    }
}

struct Server {
    router: Router,
    connections: Arc<Connections>,
    proxies: TrustedProxies,
    graceful: GracefulShutdown,
}

impl Server {
    /// Accepts connections, and serves each in a task of its own. Never completes.
    async fn accept_all(&self, listener: TcpListener) {
        let mut last_warning: Option<Instant> = None;
        loop {
            self.connections.evictions_completed().await;
            match listener.accept().await {
                Ok((stream, peer)) => self.serve_in_task(stream, peer),
                Err(error) if is_error_of_connection(&error) => {}
                Err(error) => {
                    if last_warning.is_none_or(|last| last.elapsed() >= WARNING_INTERVAL) {
                        tracing::warn!(%error, "cannot accept connections, retrying");
                        last_warning = Some(Instant::now());
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves a connection, or closes it if there is no room for it.
    fn serve_in_task(&self, stream: TcpStream, peer: SocketAddr) {
        let address = peer.ip().to_canonical();
        let Some(connection) = self.connections.open(address, self.proxies.contains(address)) else {
            tracing::debug!("connection refused");
            return;
        };
        tokio::spawn(serve_connection(stream, peer, connection, self.router.clone(), self.graceful.watcher()));
    }
}

/// Whether a connection failed before it was accepted. The next one may succeed at once.
fn is_error_of_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// SIGTERM and SIGINT.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Records the address of the client.
async fn record_client_address(State(proxies): State<TrustedProxies>, mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let address = proxies.client_address(peer.ip().to_canonical(), request.headers());
        request.extensions_mut().insert(ClientAddress(address.to_string()));
    }
    next.run(request).await
}
