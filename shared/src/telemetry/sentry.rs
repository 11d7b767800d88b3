//! Errors to Sentry, where `SENTRY_DSN` says where that is: whatever is logged as an error, with the fields of its request.
//!
//! LogOutput of the log hold no secrets, and reports hold nothing else. They wait here until [`flush`] sends them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, OnceLock, PoisonError};

use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use sentry_types::protocol::v7::{Envelope, Event, Level};
use sentry_types::{Dsn, ParseDsnError};
use tokio::time::timeout;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::{FLUSH_TIME, SPANS};
use crate::error_text::scrubbed;
use crate::http_client;

/// Most reports that wait to be sent: more of them tell nothing new.
const MAX_REPORTS: usize = 50;

/// What is a tag, by which reports are found, rather than something to read.
const TAGS: [&str; 5] = ["event", "route", "method", "store", "statement"];

static PROJECT: OnceLock<(Dsn, Client)> = OnceLock::new();
static WAITING: Mutex<Vec<Event<'static>>> = Mutex::new(Vec::new());

/// Error of [`report_errors_to`].
#[derive(Debug, thiserror::Error)]
pub enum SentryError {
    /// The DSN is malformed.
    #[error("SENTRY_DSN: {0}")]
    InvalidDsn(#[from] ParseDsnError),
    /// The HTTP client cannot be built.
    #[error("HTTP client: {0}")]
    HttpClient(String),
}

/// Reports errors to the Sentry project of `dsn` from now on. Later calls change nothing.
///
/// # Errors
/// If the DSN is malformed or the HTTP client cannot be built. The text does not contain the DSN.
pub fn report_errors_to(dsn: &SecretString) -> Result<(), SentryError> {
    let dsn = dsn.expose_secret().parse()?;
    PROJECT.set((dsn, http_client::new().map_err(SentryError::HttpClient)?)).ok();
    Ok(())
}

/// Sends the reports that wait.
pub(super) async fn flush() {
    let Some((dsn, client)) = PROJECT.get() else { return };
    let waiting = std::mem::take(&mut *WAITING.lock().unwrap_or_else(PoisonError::into_inner));
    if waiting.is_empty() {
        return;
    }
    let send_all = async {
        for event in waiting {
            send(dsn, client, event).await?;
        }
        Ok(())
    };
    let failure = match timeout(FLUSH_TIME, send_all).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => http_client::describe(error),
        Err(_) => "no answer in time".to_owned(),
    };
    // No error, which would be reported.
    tracing::warn!(failure, "errors cannot be reported");
}

async fn send(dsn: &Dsn, client: &Client, event: Event<'static>) -> reqwest::Result<()> {
    let mut body = Vec::new();
    // Writing into memory does not fail.
    Envelope::from(event).to_writer(&mut body).ok();
    let auth = dsn.to_auth(Some(concat!("sql-studio-sync/", env!("CARGO_PKG_VERSION")))).to_string();
    let request = client.post(dsn.envelope_api_url()).header("X-Sentry-Auth", auth);
    let request = request.header("Content-Type", "application/x-sentry-envelope").body(body);
    request.send().await?.error_for_status().map(drop)
}

/// The layer that makes reports of errors.
pub(super) struct Reports {
    function: &'static str,
}

impl Reports {
    pub(super) fn of(function: &'static str) -> Self {
        Self { function }
    }

    fn report(&self, fields: Fields) -> Event<'static> {
        let mut event = Event {
            level: Level::Error,
            release: Some(env!("CARGO_PKG_VERSION").into()),
            platform: "native".into(),
            ..Event::default()
        };
        event.tags.insert("function".to_owned(), self.function.to_owned());
        let (message, cause) = (fields.0.get("message"), fields.0.get("cause").or_else(|| fields.0.get("error")));
        event.message = match (message, cause) {
            (Some(message), Some(cause)) => Some(format!("{message}: {}", scrubbed(cause))),
            (message, _) => message.cloned(),
        };
        for (name, value) in fields.0 {
            let value = scrubbed(&value);
            if TAGS.contains(&name) {
                event.tags.insert(name.to_owned(), value);
            } else if name != "message" {
                event.extra.insert(name.to_owned(), value.into());
            }
        }
        event
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Reports {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| span.metadata().target() == SPANS) else { return };
        if PROJECT.get().is_some() {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        if PROJECT.get().is_none() {
            return;
        }
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten().collect::<Vec<_>>().into_iter().rev() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.0.clone());
            }
        }
        event.record(&mut fields);
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_REPORTS {
            waiting.push(self.report(fields));
        }
    }
}

/// Fields of a span or an event, as texts.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
