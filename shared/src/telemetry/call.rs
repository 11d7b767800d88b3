use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{Instrument, Span, error_span, field};

use super::{SPANS, metrics};
use crate::error_text::scrubbed;

/// Calls that take longer are logged. Most take a few milliseconds; the largest upload takes half a second.
const SLOW_CALL: Duration = Duration::from_millis(500);

/// An external service that this one calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dependency {
    /// The database of accounts.
    #[cfg(feature = "postgres")]
    Postgres,
    /// A database of sync data, or the file of the embedded stores.
    #[cfg(any(feature = "embedded", feature = "turso"))]
    Libsql,
    /// The server of sessions and rate limits.
    #[cfg(feature = "redis")]
    Redis,
    /// The email provider.
    #[cfg(feature = "mail")]
    Mailer,
}

impl Dependency {
    /// Returns its name in spans, and the names of two metrics of its calls: duration, and number of failures.
    const fn names(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => ("postgres", "postgres_ms", Some("postgres_errors")),
            #[cfg(any(feature = "embedded", feature = "turso"))]
            Self::Libsql => ("libsql", "libsql_ms", Some("libsql_errors")),
            #[cfg(feature = "redis")]
            Self::Redis => ("redis", "redis_ms", Some("redis_errors")),
            // The outbox worker counts delivery failures.
            #[cfg(feature = "mail")]
            Self::Mailer => ("mailer", "mail_ms", None),
        }
    }
}

/// Error of a call to a [`Dependency`].
pub(crate) trait CallError: Display {
    /// Returns whether the call itself failed, as opposed to a response that reports an error.
    fn is_failed_call(&self) -> bool;
}

/// Runs `decide` within a span that records the number of `changes` it decides on.
pub fn decision_span<T>(changes: usize, decide: impl FnOnce() -> T) -> T {
    error_span!(target: SPANS, "decide", changes).in_scope(decide)
}

/// Runs `call`, the statement `statement` of `dependency`, within a span. Measures it, and logs it if it is slow.
pub(crate) async fn instrumented<T, E: CallError>(
    dependency: Dependency,
    statement: &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let span = error_span!(target: SPANS, "call", store = dependency.names().0, statement, failure = field::Empty);
    async {
        #[cfg(feature = "schedule")]
        crate::schedule::point(dependency.names().0, statement).await;
        let mut call_timer = CallTimer { dependency, started: Instant::now(), failure: Some("cancelled".to_owned()) };
        let result = call.await;
        call_timer.failure = result.as_ref().err().filter(|error| error.is_failed_call()).map(ToString::to_string);
        result
    }
    .instrument(span)
    .await
}

/// Records the duration and failure of a call when dropped, so that cancelled calls are recorded too.
struct CallTimer {
    dependency: Dependency,
    started: Instant,
    failure: Option<String>,
}

impl Drop for CallTimer {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        let (_, latency, errors) = self.dependency.names();
        metrics::call(latency, errors.filter(|_| self.failure.is_some()), duration);
        if let Some(failure) = &self.failure {
            Span::current().record("failure", scrubbed(failure));
        }
        if duration > SLOW_CALL {
            tracing::warn!(event = "slow_call", duration_ms = duration.as_millis() as u64, "slow call");
        }
    }
}

#[cfg(all(test, feature = "mail"))]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::LogOutput;

    /// Returns the lines logged during a call that takes `time` and is cancelled after `limit`.
    fn logged(time: Duration, limit: Duration) -> Vec<Value> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = log.clone();
        let lines =
            LogOutput::json("tests", Targets::new().with_default(tracing::Level::INFO), move || Log(writer.clone()));
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.layer()));
        let call = instrumented::<(), TestError>(Dependency::Mailer, "welcome", async {
            tokio::time::sleep(time).await;
            Ok(())
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async { tokio::time::timeout(limit, call).await.ok() });
        let log = log.lock().expect("not poisoned");
        serde_json::Deserializer::from_slice(&log).into_iter().map(Result::unwrap).collect()
    }

    #[derive(Debug, thiserror::Error)]
    #[error("unavailable")]
    struct TestError;

    impl CallError for TestError {
        fn is_failed_call(&self) -> bool {
            true
        }
    }

    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn slow_calls_are_logged_even_if_cancelled() {
        let ms = Duration::from_millis;
        for lines in [logged(ms(550), ms(5_000)), logged(ms(5_000), ms(550))] {
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert_eq!((&lines[0]["event"], &lines[0]["statement"]), (&"slow_call".into(), &"welcome".into()));
            assert!(lines[0]["duration_ms"].as_u64() >= Some(500), "{lines:?}");
        }
        assert_eq!(logged(ms(1), ms(5_000)), Vec::<Value>::new());
    }
}
