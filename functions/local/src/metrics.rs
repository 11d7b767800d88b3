use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use shared::telemetry;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

/// Address of the metrics endpoint unless another is set: the port of Prometheus exporters for a machine.
const DEFAULT_ADDRESS: &str = "127.0.0.1:9100";

/// Interval of exports, and of the upkeep that keeps histograms small.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The metrics endpoint cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The process has a recorder already.
    #[error("{0}")]
    Recorder(#[from] BuildError),
    /// The address cannot be used.
    #[error("cannot serve metrics on {address}: {source}; choose another address with --metrics or METRICS_LISTEN")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Error of the operating system.
        source: std::io::Error,
    },
}

/// Metrics of the process, and the endpoint at which Prometheus scrapes them.
pub struct Metrics {
    handle: PrometheusHandle,
    listener: Option<TcpListener>,
}

impl Metrics {
    /// Starts to record, and listens on `address`, or on 127.0.0.1:9100 if no other program does.
    ///
    /// # Errors
    /// When `address` cannot be used, or the process has a recorder already.
    pub async fn start(address: Option<SocketAddr>) -> Result<Self, MetricsError> {
        let handle = PrometheusBuilder::new().install_recorder()?;
        telemetry::describe();
        let listener = match address {
            Some(address) => {
                let listener = TcpListener::bind(address).await;
                Some(listener.map_err(|source| MetricsError::Listen { address, source })?)
            }
            None => TcpListener::bind(DEFAULT_ADDRESS).await.ok(),
        };
        match listener.as_ref().and_then(|listener| listener.local_addr().ok()) {
            Some(address) => tracing::info!("metrics endpoint at http://{address}/metrics"),
            None => tracing::warn!("no metrics endpoint: {DEFAULT_ADDRESS} is taken; choose another with --metrics"),
        }
        Ok(Self { handle, listener })
    }

    /// Serves the endpoint and exports traces until the process ends.
    pub async fn serve(self) {
        tokio::join!(upkeep(self.handle.clone()), async {
            let Some(listener) = self.listener else { return };
            let router = Router::new().route("/metrics", get(async move || self.handle.render()));
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "metrics endpoint failed");
            }
        });
    }
}

async fn upkeep(handle: PrometheusHandle) {
    let mut interval = interval(UPKEEP_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        handle.run_upkeep();
        telemetry::flush().await;
    }
}
