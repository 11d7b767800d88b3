//! Error reports to Sentry: every event logged at level `ERROR`, with the fields of the spans around it.
//!
//! Reports wait in a queue until [`flush`] sends them on the task of the caller. Sentry's own transports send from
//! background threads, which do not run while a function is frozen.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use reqwest::Client as HttpClient;
use secrecy::{ExposeSecret, SecretString};
use sentry_core::protocol::{Context, Event, Value};
use sentry_core::types::{Dsn, ParseDsnError};
use sentry_core::{Client, ClientOptions, Envelope, Hub, Transport};
use sentry_tracing::{ErrorLayer, SpanLayer};
use tokio::time::timeout;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::registry::LookupSpan;

use super::{FLUSH_TIME, SPANS};
use crate::error_text::scrubbed;
use crate::http_client;

/// Capacity of the queue. Further reports are dropped until the next [`flush`].
const MAX_REPORTS: usize = 50;

/// Fields that become tags, by which Sentry searches. Other fields become extra data.
const TAGS: [&str; 6] = ["event", "request_id", "route", "method", "store", "statement"];

/// Set if errors are reported.
static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// Name of the function that runs in this process.
static FUNCTION: OnceLock<&'static str> = OnceLock::new();

/// Error of [`report_errors_to`].
#[derive(Debug, thiserror::Error)]
pub enum SentryError {
    /// The DSN is malformed.
    #[error("SENTRY_DSN: {0}")]
    InvalidDsn(#[from] ParseDsnError),
    /// The HTTP client cannot be built.
    #[error("HTTP client: {0}")]
    HttpClient(reqwest::Error),
}

/// Reports errors to the Sentry project of `dsn` from now on. Later calls change nothing.
///
/// # Errors
/// If the DSN is malformed or the HTTP client cannot be built. The text does not contain the DSN.
pub fn report_errors_to(dsn: &SecretString) -> Result<(), SentryError> {
    let dsn: Dsn = dsn.expose_secret().parse()?;
    let http_client = http_client::new().map_err(SentryError::HttpClient)?;
    QUEUE.get_or_init(|| {
        let queue = Arc::new(Queue { dsn: dsn.clone(), http_client, envelopes: Mutex::default() });
        let options =
            ClientOptions::new().release(super::release_or_version()).before_send(|event| Some(to_report(event)));
        let client = Client::from_config((dsn, options.transport(queue.clone())));
        // Each thread copies the main hub on first use. The layers use no hub before `QUEUE` is set, so that every copy
        // has this client.
        Hub::main().bind_client(Some(Arc::new(client)));
        queue
    });
    Ok(())
}

/// Sends the queued reports. Takes [`FLUSH_TIME`] at most; reports that cannot be sent are lost.
pub(super) async fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let envelopes = std::mem::take(&mut *queue.envelopes.lock().unwrap_or_else(PoisonError::into_inner));
    if envelopes.is_empty() {
        return;
    }
    let send_all = async {
        for envelope in envelopes {
            queue.send(&envelope).await?;
        }
        Ok(())
    };
    let failure = match timeout(FLUSH_TIME, send_all).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => http_client::describe(error),
        Err(_) => "no response in time".to_owned(),
    };
    // A warning, since an error would be reported.
    tracing::warn!(failure, "error reports lost");
}

/// Returns the layer that queues a report of each error. It does nothing until [`report_errors_to`] is called.
pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(function: &'static str) -> impl Layer<S> + Send + Sync {
    FUNCTION.set(function).ok();
    // Without the hint, the filters would enable the callsites of all levels.
    let filter = |accepts: fn(&tracing::Metadata<'_>) -> bool| {
        dynamic_filter_fn(move |metadata, _| QUEUE.get().is_some() && accepts(metadata))
            .with_max_level_hint(LevelFilter::ERROR)
    };
    let is_span = |metadata: &tracing::Metadata<'_>| metadata.is_span() && metadata.target() == SPANS;
    let is_error = |metadata: &tracing::Metadata<'_>| *metadata.level() == Level::ERROR;
    let spans = SpanLayer::new().with_filter(filter(is_span));
    spans.and_then(ErrorLayer::new().enable_span_attributes().with_filter(filter(is_error)))
}

/// Completes the event that `sentry-tracing` makes of a log event: names fields as the log does, and scrubs texts.
fn to_report(mut event: Event<'static>) -> Event<'static> {
    let fields = match event.contexts.remove("Rust Tracing Fields") {
        Some(Context::Other(fields)) => fields,
        _ => Default::default(),
    };
    // Ids of a trace of Sentry's own, which is not sent.
    event.contexts.remove("trace");
    // Fields of spans are named `span:field`. Fields of the event come last and so take precedence.
    let (of_spans, of_event): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name.contains(':'));
    let mut cause = None;
    for (name, value) in of_spans.into_iter().chain(of_event) {
        let name = name.rsplit(':').next().unwrap_or_default();
        let text = match value {
            Value::String(text) => scrubbed(&text),
            other => other.to_string(),
        };
        if name == "cause" || name == "error" && cause.is_none() {
            cause = Some(text.clone());
        }
        if TAGS.contains(&name) {
            event.tags.insert(name.to_owned(), text);
        } else {
            event.extra.insert(name.to_owned(), text.into());
        }
    }
    event.tags.extend(FUNCTION.get().map(|function| ("function".to_owned(), (*function).to_owned())));
    if let (Some(message), Some(cause)) = (&mut event.message, cause) {
        *message += &format!(": {cause}");
    }
    for exception in &mut event.exception {
        exception.value = exception.value.as_deref().map(scrubbed);
    }
    event
}

/// A transport that keeps reports until [`flush`].
struct Queue {
    dsn: Dsn,
    http_client: HttpClient,
    envelopes: Mutex<Vec<Envelope>>,
}

impl Transport for Queue {
    fn send_envelope(&self, envelope: Envelope) {
        let mut envelopes = self.envelopes.lock().unwrap_or_else(PoisonError::into_inner);
        if envelopes.len() < MAX_REPORTS {
            envelopes.push(envelope);
        }
    }
}

impl Queue {
    async fn send(&self, envelope: &Envelope) -> reqwest::Result<()> {
        let mut body = Vec::new();
        // Writing into memory does not fail.
        envelope.to_writer(&mut body).ok();
        let auth = self.dsn.to_auth(Some(concat!("sql-studio-sync/", env!("CARGO_PKG_VERSION")))).to_string();
        let request = self.http_client.post(self.dsn.envelope_api_url()).header("X-Sentry-Auth", auth);
        let request = request.header("Content-Type", "application/x-sentry-envelope").body(body);
        request.send().await?.error_for_status().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use tracing::error_span;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Returns the events that the queue holds, and empties it.
    fn queued() -> Vec<Event<'static>> {
        let queue = QUEUE.get().expect("errors are reported");
        let envelopes = std::mem::take(&mut *queue.envelopes.lock().unwrap());
        envelopes.iter().map(|envelope| envelope.event().expect("an event").clone()).collect()
    }

    #[test]
    fn reports_carry_fields_scrubbed_and_are_bounded() {
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer("tests")));
        tracing::error!("before there is a project");
        report_errors_to(&SecretString::from("http://key@127.0.0.1:9/1")).expect("a DSN");
        let request =
            error_span!(target: SPANS, "request", route = "/ready", user = "a", status = tracing::field::Empty);
        let other = error_span!("other", secret = "sesame");
        other.in_scope(|| {
            request.in_scope(|| {
                request.record("status", 503);
                error_span!(target: SPANS, "call", store = "redis").in_scope(|| {
                    tracing::warn!("not an error");
                    tracing::error!(
                        event = "failed",
                        user = "b",
                        cause = "no redis://host for ada@example.com",
                        "failed"
                    );
                });
            });
        });
        let [event] = &queued()[..] else { panic!("one report") };
        assert_eq!(event.message.as_deref(), Some("failed: no [removed] for [removed]"));
        assert_eq!(event.release.as_deref(), Some(env!("CARGO_PKG_VERSION")));
        let tags = [("event", "failed"), ("function", "tests"), ("route", "/ready"), ("store", "redis")];
        assert_eq!(event.tags, tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        let extra = [("cause", "no [removed] for [removed]"), ("status", "503"), ("user", "b")];
        assert_eq!(event.extra, extra.map(|(name, value)| (name.to_owned(), value.into())).into());

        for _ in 0..=MAX_REPORTS {
            tracing::error!("again");
        }
        assert_eq!(queued().len(), MAX_REPORTS);
    }
}
