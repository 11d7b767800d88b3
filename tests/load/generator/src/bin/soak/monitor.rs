use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tests::{Answer, Call};

use crate::figures::Figures;

/// For how long a store that is back may still be missed.
const RECOVERY: Duration = Duration::from_secs(10);
/// So many faults are told; all others are only counted.
const TOLD: usize = 100;
/// Most characters of a body that are told.
const TOLD_CHARS: usize = 1_500;

/// An answer that none should be, or none.
const ERROR: &str = "errors";
/// A 503 while all stores were up.
const WITHOUT_CAUSE: &str = "refused without cause";
/// Something lost, or otherwise not as promised.
const WRONG: &str = "wrong";

/// What all clients have met.
pub(crate) struct Watch {
    state: Mutex<State>,
    is_over: AtomicBool,
}

struct State {
    minute: BTreeMap<&'static str, Figures>,
    whole: BTreeMap<&'static str, Figures>,
    /// Since when no store may be missed any more; `None` while one is down.
    calm_since: Option<Instant>,
    restarts: usize,
    faults: BTreeMap<&'static str, usize>,
}

/// One attempt to have a call answered.
pub(crate) struct Attempt<'a> {
    pub(crate) call: &'a Call,
    pub(crate) begun: Instant,
    /// Whether there was one before, which may have done it all and lost its answer.
    pub(crate) is_repeat: bool,
}

impl Watch {
    pub(crate) fn new() -> Self {
        let state = State {
            minute: BTreeMap::new(),
            whole: BTreeMap::new(),
            calm_since: Some(Instant::now()),
            restarts: 0,
            faults: [ERROR, WITHOUT_CAUSE, WRONG].into_iter().map(|kind| (kind, 0)).collect(),
        };
        Self { state: Mutex::new(state), is_over: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while it is locked")
    }

    pub(crate) fn store_goes_down(&self) {
        self.state().calm_since = None;
    }

    pub(crate) fn store_is_back(&self) {
        let mut state = self.state();
        state.calm_since = Some(Instant::now() + RECOVERY);
        state.restarts += 1;
    }

    /// From now on users come to their end.
    pub(crate) fn finish(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Something other than 429 and 503 came.
    pub(crate) fn answered(&self, attempt: &Attempt<'_>, answer: &Answer) {
        self.count(attempt, answer.status);
        if !is_expected(attempt, answer.status) {
            self.fault(ERROR, &to_otel_span(attempt, answer));
        }
    }

    /// 429 or 503 came.
    pub(crate) fn refused(&self, attempt: &Attempt<'_>, answer: &Answer) {
        self.count(attempt, answer.status);
        if answer.status != 503 {
            return;
        }
        if answer.header("retry-after").and_then(|wait| wait.parse::<u32>().ok()).is_none() {
            self.fault(ERROR, &format!("without Retry-After: {}", to_otel_span(attempt, answer)));
        }
        // Whoever began before that may have met the store while it was down.
        let was_calm = self.state().calm_since.is_some_and(|calm| calm <= attempt.begun);
        if was_calm {
            self.fault(WITHOUT_CAUSE, &to_otel_span(attempt, answer));
        }
    }

    /// Nothing came.
    pub(crate) fn unanswered(&self, attempt: &Attempt<'_>, why: &str) {
        self.fault(ERROR, &format!("{why}: {}", asked(attempt.call)));
    }

    /// Something is not as promised.
    pub(crate) fn wrong(&self, what: &str) {
        self.fault(WRONG, what);
    }

    fn count(&self, attempt: &Attempt<'_>, status: u16) {
        let (kind, took) = (kind(attempt.call), attempt.begun.elapsed());
        let mut state = self.state();
        state.minute.entry(kind).or_default().add(status, took);
        state.whole.entry(kind).or_default().add(status, took);
    }

    fn fault(&self, kind: &'static str, what: &str) {
        let mut state = self.state();
        *state.faults.entry(kind).or_default() += 1;
        if state.faults.values().sum::<usize>() <= TOLD {
            println!("{kind}: {what}");
        }
    }

    /// The line of a minute that has gone by.
    pub(crate) fn minute(&self, minute: u64, resident: u64) -> String {
        let mut state = self.state();
        let kinds = std::mem::take(&mut state.minute);
        let mut all = Figures::default();
        kinds.values().for_each(|figures| all.join(figures));
        let counts: Vec<String> = kinds.iter().map(|(kind, figures)| format!("{kind} {}", figures.count())).collect();
        let (line, restarts, counts) = (all.line(), state.restarts, counts.join(", "));
        format!("{minute:>4} min  {line}  {restarts} restarts  {} MB  ({counts})", resident >> 10)
    }

    /// Prints the table of all that was asked; whether all was well.
    pub(crate) fn tell(&self) -> bool {
        let mut state = self.state();
        for (kind, figures) in &mut state.whole {
            println!("{kind:<14} {:>8}  {}", figures.count(), figures.line());
        }
        println!("{:<14} {:>8}", "restarts", state.restarts);
        for (kind, count) in &state.faults {
            println!("{kind:<22} {count}");
        }
        state.faults.values().all(|count| *count == 0)
    }
}

/// What is asked for.
fn kind(call: &Call) -> &'static str {
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

/// Whether an answer may be: what was done by an attempt whose answer was lost is there already, or spent.
fn is_expected(attempt: &Attempt<'_>, status: u16) -> bool {
    match (kind(attempt.call), status) {
        // Whoever settles a conflict looks whether the item had moved on.
        (_, 200..300) | ("resolve", 409) => true,
        ("sign-up", 409) | ("refresh", 401) => attempt.is_repeat,
        _ => false,
    }
}

fn to_otel_span(attempt: &Attempt<'_>, answer: &Answer) -> String {
    let took = attempt.begun.elapsed().as_secs_f64();
    format!("{}\n    answered after {took:.1} s: {} {}", asked(attempt.call), answer.status, brief(&answer.body))
}

fn asked(call: &Call) -> String {
    format!("{} {} {}", call.method, call.path, brief(&call.body))
}

fn brief(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(TOLD_CHARS).collect()
}
