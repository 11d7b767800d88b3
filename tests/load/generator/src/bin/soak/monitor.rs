use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tests::{Request, Response};

use crate::stats::Stats;

/// Time after a restart in which requests may still fail.
const RECOVERY: Duration = Duration::from_secs(10);
/// Maximum number of printed failures; all others are only counted.
const MAX_PRINTED: usize = 100;
/// Maximum number of printed characters of a body.
const MAX_PRINTED_CHARS: usize = 1_500;

/// Unexpected response, or no response.
const UNEXPECTED: &str = "errors";
/// Status 503 while all stores were available.
const UNAVAILABLE: &str = "unavailable without cause";
/// Lost data or another violation of the contract.
const VIOLATION: &str = "contract violations";

/// Monitor of all clients: counts responses and failures.
pub(crate) struct Monitor {
    state: Mutex<State>,
    is_finished: AtomicBool,
}

struct State {
    minute: BTreeMap<&'static str, Stats>,
    total: BTreeMap<&'static str, Stats>,
    /// Time from which all stores must be available; `None` while one is down.
    stable_since: Option<Instant>,
    restarts: usize,
    failures: BTreeMap<&'static str, usize>,
}

/// Attempt to send a call.
pub(crate) struct Attempt<'a> {
    pub(crate) call: &'a Request,
    pub(crate) start: Instant,
    /// Whether an earlier attempt may have succeeded without a response.
    pub(crate) is_repeat: bool,
}

impl Monitor {
    pub(crate) fn new() -> Self {
        let state = State {
            minute: BTreeMap::new(),
            total: BTreeMap::new(),
            stable_since: Some(Instant::now()),
            restarts: 0,
            failures: [UNEXPECTED, UNAVAILABLE, VIOLATION].into_iter().map(|kind| (kind, 0)).collect(),
        };
        Self { state: Mutex::new(state), is_finished: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the lock")
    }

    pub(crate) fn store_goes_down(&self) {
        self.state().stable_since = None;
    }

    pub(crate) fn store_is_back(&self) {
        let mut state = self.state();
        state.stable_since = Some(Instant::now() + RECOVERY);
        state.restarts += 1;
    }

    /// Tells the users to finish.
    pub(crate) fn finish(&self) {
        self.is_finished.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::SeqCst)
    }

    /// Records a response other than 429 and 503.
    pub(crate) fn answered(&self, attempt: &Attempt<'_>, response: &Response) {
        self.count(attempt, response.status);
        if !is_expected(attempt, response.status) {
            self.failure(UNEXPECTED, &describe(attempt, response));
        }
    }

    /// Records a response 429 or 503.
    pub(crate) fn refused(&self, attempt: &Attempt<'_>, response: &Response) {
        self.count(attempt, response.status);
        if response.status != 503 {
            return;
        }
        if response.header("retry-after").and_then(|wait| wait.parse::<u32>().ok()).is_none() {
            self.failure(UNEXPECTED, &format!("without Retry-After: {}", describe(attempt, response)));
        }
        // An attempt that started earlier may have used the store while it was down.
        let was_stable = self.state().stable_since.is_some_and(|stable| stable <= attempt.start);
        if was_stable {
            self.failure(UNAVAILABLE, &describe(attempt, response));
        }
    }

    /// Records an attempt without a response.
    pub(crate) fn unanswered(&self, attempt: &Attempt<'_>, why: &str) {
        self.failure(UNEXPECTED, &format!("{why}: {}", describe_request(attempt.call)));
    }

    /// Records a violation of the contract.
    pub(crate) fn violation(&self, reason: &str) {
        self.failure(VIOLATION, reason);
    }

    fn count(&self, attempt: &Attempt<'_>, status: u16) {
        let (kind, took) = (kind(attempt.call), attempt.start.elapsed());
        let mut state = self.state();
        state.minute.entry(kind).or_default().add(status, took);
        state.total.entry(kind).or_default().add(status, took);
    }

    fn failure(&self, kind: &'static str, reason: &str) {
        let mut state = self.state();
        *state.failures.entry(kind).or_default() += 1;
        if state.failures.values().sum::<usize>() <= MAX_PRINTED {
            println!("{kind}: {reason}");
        }
    }

    /// Returns the summary line of a minute.
    pub(crate) fn minute(&self, minute: u64, resident: u64) -> String {
        let mut state = self.state();
        let kinds = std::mem::take(&mut state.minute);
        let mut all = Stats::default();
        kinds.values().for_each(|stats| all.join(stats));
        let counts: Vec<String> = kinds.iter().map(|(kind, stats)| format!("{kind} {}", stats.count())).collect();
        let (line, restarts, counts) = (all.line(), state.restarts, counts.join(", "));
        format!("{minute:>4} min  {line}  {restarts} restarts  {} MB  ({counts})", resident >> 10)
    }

    /// Prints the table of all requests; returns whether there were no failures.
    pub(crate) fn report(&self) -> bool {
        let mut state = self.state();
        for (kind, stats) in &mut state.total {
            println!("{kind:<14} {:>8}  {}", stats.count(), stats.line());
        }
        println!("{:<14} {:>8}", "restarts", state.restarts);
        for (kind, count) in &state.failures {
            println!("{kind:<22} {count}");
        }
        state.failures.values().all(|count| *count == 0)
    }
}

/// Returns the kind of a request.
fn kind(call: &Request) -> &'static str {
    match call.path.split('?').next().unwrap_or_default() {
        "/api/sync/upload" => "upload",
        "/api/sync/download" if call.path.contains("&since=") => "delta",
        "/api/sync/download" => "first download",
        "/api/sync/conflicts" => "conflicts",
        "/api/sync/status" => "status",
        "/api/auth/signup" => "sign-up",
        "/api/auth/login" => "login",
        "/api/auth/refresh" => "refresh",
        "/ready" => "ready",
        _ => "resolve",
    }
}

/// Returns whether the status is expected. After an attempt whose response was lost, an account may exist and a token
/// may be used.
fn is_expected(attempt: &Attempt<'_>, status: u16) -> bool {
    match (kind(attempt.call), status) {
        // A resolution may find that the conflict is outdated; the client checks that.
        (_, 200..300) | ("resolve", 409) => true,
        ("sign-up", 409) | ("refresh", 401) => attempt.is_repeat,
        _ => false,
    }
}

fn describe(attempt: &Attempt<'_>, response: &Response) -> String {
    let took = attempt.start.elapsed().as_secs_f64();
    format!(
        "{}\n    response after {took:.1} s: {} {}",
        describe_request(attempt.call),
        response.status,
        truncated(&response.body)
    )
}

fn describe_request(call: &Request) -> String {
    format!("{} {} {}", call.method, call.path, truncated(&call.body))
}

fn truncated(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(MAX_PRINTED_CHARS).collect()
}
