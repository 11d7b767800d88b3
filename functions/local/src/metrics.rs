use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use shared::telemetry;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

/// Where Prometheus looks for whatever runs on a machine.
const USUAL: &str = "127.0.0.1:9100";

/// How often what waits is handed over, and values are taken together for the next who asks.
const PERIOD: Duration = Duration::from_secs(5);

/// What the server measures, for Prometheus.
pub struct Metrics {
    handle: PrometheusHandle,
    listener: Option<TcpListener>,
}

impl Metrics {
    /// Measures from now on, for whoever asks at `address`: by default at the usual one, unless another program has it.
    ///
    /// # Errors
    /// When `address` is taken, or the process has measured before.
    pub async fn start(address: Option<SocketAddr>) -> Result<Self, String> {
        let handle = PrometheusBuilder::new().install_recorder().map_err(|error| error.to_string())?;
        telemetry::describe();
        let listener = match address {
            Some(address) => Some(TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?),
            None => TcpListener::bind(USUAL).await.ok(),
        };
        match listener.as_ref().and_then(|listener| listener.local_addr().ok()) {
            Some(address) => tracing::info!("metrics are at http://{address}/metrics"),
            None => tracing::warn!("{USUAL} is taken, so metrics are nowhere; --metrics says where else"),
        }
        Ok(Self { handle, listener })
    }

    /// Answers whoever asks, and hands over traces, until the process ends.
    pub async fn serve(self) {
        tokio::join!(keep(self.handle.clone()), async {
            let Some(listener) = self.listener else { return };
            let router = Router::new().route("/metrics", get(async move || self.handle.render()));
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "metrics are not shown any more");
            }
        });
    }
}

async fn keep(handle: PrometheusHandle) {
    let mut interval = interval(PERIOD);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        handle.run_upkeep();
        telemetry::flush().await;
    }
}
