use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use shared::http::ClientAddress;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::edge::{drain_bodies, offer_gzip_alone};

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
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: Router) -> std::io::Result<Stop> {
    let router = with_edge(router).layer(from_fn(record_peer_address));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let (stopping, stopped) = oneshot::channel();
    let mut signals = StopSignals::listen()?;
    let server = axum::serve(listener, service).with_graceful_shutdown(async { _ = stopped.await });
    let stop = async {
        signals.next().await;
        tracing::info!("stopping; a second signal stops at once");
        stopping.send(()).ok();
        tokio::select! {
            () = tokio::time::sleep(GRACE) => {
                tracing::warn!("requests were cut off after the grace period");
                Stop::Graceful
            }
            () = signals.next() => {
                tracing::warn!("requests were cut off by a second signal");
                Stop::Immediate
            }
        }
    };
    tokio::select! {
        result = server.into_future() => result.map(|()| Stop::Graceful),
        stop = stop => Ok(stop),
    }
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

/// Records the peer of the socket as the client's address.
async fn record_peer_address(mut request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
    if let Some(address) = address {
        request.extensions_mut().insert(ClientAddress(address));
    }
    next.run(request).await
}
