use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{Instrument, Span, error_span, field};

use super::{SPANS, metrics};
use crate::error_text::scrubbed;

/// A call that takes longer is logged. Most take a few milliseconds, and the largest upload half a second.
const SLOW: Duration = Duration::from_millis(500);

/// Who is called.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dependency {
    /// The accounts' database.
    #[cfg(feature = "postgres")]
    Postgres,
    /// A database of sync data, or the file of the embedded stores.
    #[cfg(any(feature = "embedded", feature = "turso"))]
    Libsql,
    /// The sessions' server.
    #[cfg(feature = "redis")]
    Redis,
    /// Who delivers mails.
    #[cfg(feature = "mail")]
    Mailer,
}

impl Dependency {
    /// Its name on spans, and the metrics of its calls: how long they took, and how many failed.
    const fn names(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => ("postgres", "postgres_ms", Some("postgres_errors")),
            #[cfg(any(feature = "embedded", feature = "turso"))]
            Self::Libsql => ("libsql", "libsql_ms", Some("libsql_errors")),
            #[cfg(feature = "redis")]
            Self::Redis => ("redis", "redis_ms", Some("redis_errors")),
            // What becomes of mails is counted by itself.
            #[cfg(feature = "mail")]
            Self::Mailer => ("mailer", "mail_ms", None),
        }
    }
}

/// An error of a call.
pub(crate) trait CallError: Display {
    /// Whether the call failed, rather than having an answer that is an error.
    fn is_failed_call(&self) -> bool;
}

/// Does `decide`, by which it is decided what becomes of `changes` changes: as a span of the trace.
pub fn decision_span<T>(changes: usize, decide: impl FnOnce() -> T) -> T {
    error_span!(target: SPANS, "decide", changes).in_scope(decide)
}

/// Does `call`, the `statement` of `called`: as a span of the trace, measured, and logged where it is slow.
pub(crate) async fn instrumented<T, E: CallError>(
    called: Dependency,
    statement: &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let span = error_span!(target: SPANS, "call", store = called.names().0, statement, failure = field::Empty);
    async {
        #[cfg(feature = "schedule")]
        crate::schedule::point(called.names().0, statement).await;
        let mut watch = Watch { called, started: Instant::now(), failure: Some("given up".to_owned()) };
        let answer = call.await;
        watch.failure = answer.as_ref().err().filter(|error| error.is_failed_call()).map(ToString::to_string);
        answer
    }
    .instrument(span)
    .await
}

/// Tells how a call went when it ends, be it that whoever made it waits no longer.
struct Watch {
    called: Dependency,
    started: Instant,
    failure: Option<String>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let (_, latency, errors) = self.called.names();
        metrics::call(latency, errors.filter(|_| self.failure.is_some()), took);
        if let Some(failure) = &self.failure {
            Span::current().record("failure", scrubbed(failure));
        }
        if took > SLOW {
            tracing::warn!(event = "slow_call", duration_ms = took.as_millis() as u64, "a call was slow");
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

    /// What is logged while a call takes `time`.
    fn logged(time: Duration, patience: Duration) -> Vec<Value> {
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
        runtime.block_on(async { tokio::time::timeout(patience, call).await.ok() });
        let log = log.lock().expect("nobody panicked");
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
            self.0.lock().expect("nobody panicked").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_call_is_logged_by_its_name_even_if_nobody_waits_for_it() {
        let ms = Duration::from_millis;
        for lines in [logged(ms(550), ms(5_000)), logged(ms(5_000), ms(550))] {
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert_eq!((&lines[0]["event"], &lines[0]["statement"]), (&"slow_call".into(), &"welcome".into()));
            assert!(lines[0]["duration_ms"].as_u64() >= Some(500), "{lines:?}");
        }
        assert_eq!(logged(ms(1), ms(5_000)), Vec::<Value>::new());
    }
}
