//! Progress of commands that take long: a spinner on a terminal, plain lines elsewhere. Both go to standard error.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Interval between plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Interval between the frames of the spinner.
const FRAME_INTERVAL: Duration = Duration::from_millis(100);

/// Progress of one command.
pub(crate) struct Progress {
    what: &'static str,
    spinner: Option<ProgressBar>,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// Starts to show that `what` is under way.
    pub(crate) fn start(what: &'static str) -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner().with_message(format!("{what} …"));
            spinner
                .set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is valid"));
            spinner.enable_steady_tick(FRAME_INTERVAL);
            spinner
        });
        let progress = Self { what, spinner, last_line: Mutex::new(Instant::now()) };
        if progress.spinner.is_none() {
            progress.print("");
        }
        progress
    }

    /// Shows `state`.
    pub(crate) fn update(&self, state: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(format!("{}: {state}", self.what));
            return;
        }
        let Ok(mut last_line) = self.last_line.lock() else { return };
        if last_line.elapsed() >= LINE_INTERVAL {
            *last_line = Instant::now();
            self.print(state);
        }
    }

    fn print(&self, state: &str) {
        let separator = if state.is_empty() { " …" } else { ": " };
        writeln!(std::io::stderr(), "{}{separator}{state}", self.what).ok();
    }
}

impl Drop for Progress {
    /// Removes the spinner.
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
