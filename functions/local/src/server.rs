use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use shared::http::ClientAddress;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tower_http::compression::CompressionLayer;

use crate::edge::{drain_bodies, offer_gzip_alone};

/// How long requests that have begun may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(20);

/// Serves `router` on `listener` until SIGTERM or SIGINT, then finishes what it has begun.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    let router = router
        .layer(CompressionLayer::new())
        .layer(from_fn(offer_gzip_alone))
        .layer(from_fn(drain_bodies))
        .layer(from_fn(record_peer_address));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(listener, service).with_graceful_shutdown(async {
        asked_to_stop().await;
        stopping.send(()).ok();
    });
    tokio::select! {
        result = server.into_future() => result,
        () = async {
            stopped.await.ok();
            tokio::time::sleep(GRACE).await;
        } => {
            tracing::warn!("some requests did not end in time");
            Ok(())
        }
    }
}

async fn asked_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
}

/// The client's address is that of the socket.
async fn record_peer_address(mut request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
    if let Some(address) = address {
        request.extensions_mut().insert(ClientAddress(address));
    }
    next.run(request).await
}
