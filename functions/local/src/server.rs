use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use shared::http::ClientAddress;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tower_http::compression::CompressionLayer;

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

/// Serves `router` on `listener` until SIGTERM or SIGINT, then finishes the requests in flight. A second signal ends it at once.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: Router, proxies: TrustedProxies) -> std::io::Result<Stop> {
    let router = router
        .layer(CompressionLayer::new())
        .layer(from_fn(offer_gzip_alone))
        .layer(from_fn(drain_bodies))
        .layer(from_fn_with_state(proxies, record_client_address));
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

/// Records the address of the client.
async fn record_client_address(State(proxies): State<TrustedProxies>, mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let address = proxies.client_address(peer.ip().to_canonical(), request.headers());
        request.extensions_mut().insert(ClientAddress(address.to_string()));
    }
    next.run(request).await
}
