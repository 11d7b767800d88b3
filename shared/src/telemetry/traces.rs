//! OpenTelemetry traces, exported by OTLP (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! Spans wait in a queue until [`flush`] exports them on the task of the caller. The span processors of the SDK export
//! from background threads, which do not run while a function is frozen.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    SdkTracer, SdkTracerProvider, Span as Started, SpanData, SpanExporter as _, SpanProcessor,
};
use tokio::time::{Instant, timeout};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::registry::LookupSpan;

use super::{FLUSH_TIME, metrics};
use crate::{error_text, http_client};

/// Capacity of the queue. A request creates about ten spans.
const MAX_SPANS: usize = 4_096;

/// Pause after a failed export, so that an unavailable collector does not delay every request by [`FLUSH_TIME`].
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);

static TRACES: OnceLock<Traces> = OnceLock::new();

struct Traces {
    /// Kept for the lifetime of the process: no spans are created without it.
    _provider: SdkTracerProvider,
    queue: SpanQueue,
    exporter: tokio::sync::Mutex<Exporter>,
}

struct Exporter {
    exporter: SpanExporter,
    paused_until: Option<Instant>,
}

/// Returns the layer that creates trace spans, if `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`
/// is set. The other variables of OpenTelemetry configure the export
/// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).
pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(
    function: &'static str,
) -> Option<OpenTelemetryLayer<S, SdkTracer>> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !is_set("OTEL_EXPORTER_OTLP_ENDPOINT") && !is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        return None;
    }
    let resource = Resource::builder()
        .with_service_name(function)
        .with_attribute(KeyValue::new("service.namespace", "sql-studio-sync"))
        .with_attribute(KeyValue::new("service.version", super::release_or_version()))
        .build();
    let exporter = SpanExporter::builder().with_http().with_http_client(http_client::new().ok()?).build();
    // Logging has not started yet. A service that cannot be traced still serves.
    let mut exporter = exporter.ok()?;
    exporter.set_resource(&resource);
    let queue = SpanQueue::default();
    let provider = SdkTracerProvider::builder().with_resource(resource).with_span_processor(queue.clone()).build();
    let tracer = provider.tracer("sql-studio-sync");
    let exporter = tokio::sync::Mutex::new(Exporter { exporter, paused_until: None });
    TRACES.set(Traces { _provider: provider, queue, exporter }).ok()?;
    let layer = tracing_opentelemetry::layer().with_tracer(tracer);
    Some(layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_target(false))
}

/// Exports the spans that have ended.
pub(super) async fn flush() {
    let Some(traces) = TRACES.get() else { return };
    let spans = traces.queue.take();
    let count = spans.len() as u64;
    if count == 0 {
        return;
    }
    let mut exporter = traces.exporter.lock().await;
    if exporter.paused_until.is_some_and(|until| until > Instant::now()) {
        return metrics::count("spans_lost", count);
    }
    let failure = match timeout(FLUSH_TIME, exporter.exporter.export(spans)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no response in time".to_owned(),
    };
    exporter.paused_until = Some(Instant::now() + PAUSE_AFTER_FAILURE);
    metrics::count("spans_lost", count);
    tracing::warn!(error = error_text::scrubbed(&failure), "span export failed");
}

/// Makes `span` a child of the client's `traceparent` (<https://www.w3.org/TR/trace-context/>), if there is one. `span`
/// must not have been entered yet. Returns the trace id of the span, if there is one.
pub(crate) fn continue_trace(span: &Span, headers: &HeaderMap) -> Option<String> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
    let client = context.span().span_context().clone();
    let is_traced = TRACES.get().is_some();
    if client.is_valid() {
        if is_traced {
            // The invocation of the function belongs to another trace, created by Lambda.
            let outer = Span::current().context().span().span_context().clone();
            span.set_parent(context).ok();
            if outer.is_valid() {
                span.add_link(outer);
            }
        }
        return Some(client.trace_id().to_string());
    }
    let own = is_traced.then(|| span.context().span().span_context().trace_id());
    own.filter(|id| *id != TraceId::INVALID).map(|id| id.to_string())
}

/// Makes `span` a child of the trace of the Lambda invocation, and returns its trace id. `header` has the form
/// `Root=1-…;Parent=…;Sampled=…`
/// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>).
///
/// Ignores X-Ray's sampling decision, since X-Ray may not be in use. `OTEL_TRACES_SAMPLER` decides.
#[cfg(feature = "lambda")]
pub(crate) fn continue_xray(span: &Span, header: &str) -> Option<String> {
    let parent = xray_parent(header)?;
    let id = parent.trace_id().to_string();
    if TRACES.get().is_some() {
        span.set_parent(Context::new().with_remote_span_context(parent)).ok();
    }
    Some(id)
}

#[cfg(any(feature = "lambda", test))]
fn xray_parent(header: &str) -> Option<SpanContext> {
    let part = |name: &str| header.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let root: String = part("Root")?.strip_prefix("1-")?.split('-').collect();
    let trace = TraceId::from_hex(&root).ok()?;
    let span = SpanId::from_hex(part("Parent")?).ok()?;
    let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

/// Records the status of the response on the span of a request.
pub(crate) fn finish(span: &Span, status: u16) {
    if TRACES.get().is_some() {
        span.set_attribute("http.response.status_code", i64::from(status));
    }
}

/// Queue of ended spans.
#[derive(Debug, Clone, Default)]
struct SpanQueue(Arc<Mutex<Vec<SpanData>>>);

impl SpanQueue {
    fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _: &mut Started, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.len() < MAX_SPANS {
            spans.push(to_otel_span(span));
        } else {
            metrics::count("spans_lost", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Renames a span and its attributes from the names used in the log to OpenTelemetry's semantic conventions
/// (<https://opentelemetry.io/docs/specs/semconv/>).
fn to_otel_span(mut span: SpanData) -> SpanData {
    let named = |name: &'static str| span.attributes.iter().find(move |pair| pair.key.as_str() == name);
    let text = |name: &'static str| named(name).map(|pair| pair.value.to_string());
    let named_by = |fields: [&'static str; 2]| Some(fields.map(|field| text(field).unwrap_or_default()).join(" "));
    let (kind, name) = match &*span.name {
        "request" => (SpanKind::Server, named_by(["method", "route"])),
        "call" => (SpanKind::Client, named_by(["store", "statement"])),
        _ => (SpanKind::Internal, None),
    };
    let failure = text("failure");
    let is_server_error = text("http.response.status_code").is_some_and(|status| status.starts_with('5'));
    if let Some(failure) = failure {
        span.status = Status::error(failure);
    } else if is_server_error {
        span.status = Status::error("");
    }
    span.span_kind = kind;
    if let Some(name) = name {
        span.name = name.into();
    }
    for pair in &mut span.attributes {
        if let Some(name) = convention(pair.key.as_str()) {
            pair.key = Key::from_static_str(name);
        }
    }
    span
}

/// Returns the name of a field in OpenTelemetry's conventions, if there is one.
fn convention(field: &str) -> Option<&'static str> {
    Some(match field {
        "method" => "http.request.method",
        "route" => "http.route",
        "store" => "db.system.name",
        "statement" => "db.operation.name",
        "function_request_id" => "faas.invocation_id",
        "cold_start" => "faas.coldstart",
        "user" => "user.hash",
        "device" => "device.id",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xray_header_is_parsed() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";
        let parent = xray_parent(header).expect("a valid header");
        assert_eq!(parent.trace_id().to_string(), "5759e988bd862e3fe1be46a994272793");
        assert_eq!(parent.span_id().to_string(), "53995c3f42cd8ad8");
        for header in
            ["", "Root=1-5759e988", "Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8", "Sampled=1"]
        {
            assert_eq!(xray_parent(header), None, "{header}");
        }
    }

    #[test]
    fn trace_id_of_the_client_is_returned_even_if_tracing_is_off() {
        let headers = |value: &str| HeaderMap::from_iter([("traceparent".parse().unwrap(), value.parse().unwrap())]);
        let id = continue_trace(&Span::none(), &headers("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        assert_eq!(id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        for nonsense in
            ["", "00-0af7651916cd43dd8448eb211c80319c", "00-00000000000000000000000000000000-b7ad6b7169203331-01"]
        {
            assert_eq!(continue_trace(&Span::none(), &headers(nonsense)), None, "{nonsense}");
        }
    }
}
