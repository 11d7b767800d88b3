//! Requests of pages, as servers see them.

use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{Barrier, oneshot};

/// Place in the course of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The request is not processed.
    Before,
    /// The request is processed, and its response is not sent.
    After,
    /// The request takes its course.
    Anywhere,
}

/// Requests of pages to all servers of a test.
#[derive(Clone, Default)]
pub(crate) struct Traffic(Arc<Mutex<Observed>>);

#[derive(Default)]
struct Observed {
    requests: Vec<String>,
    interruption: Option<Interruption>,
    meeting: Option<Meeting>,
}

/// Request that is awaited, and does not go beyond `place`.
struct Interruption {
    /// Number of requests before it.
    remaining: usize,
    place: Place,
    reached: oneshot::Sender<String>,
}

/// Requests that wait for each other.
struct Meeting {
    request: &'static str,
    remaining: usize,
    barrier: Arc<Barrier>,
}

impl Traffic {
    fn observed(&self) -> std::sync::MutexGuard<'_, Observed> {
        self.0.lock().expect("no panic")
    }

    /// Returns the number of requests so far whose method and path start with `start`, such as `POST /api/sync/upload`.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.observed().requests.iter().filter(|request| request.starts_with(start)).count()
    }

    /// Stops the request after the next `remaining` ones at `place`. The result has its method and path, once it is there.
    pub(crate) fn interrupt(&self, remaining: usize, place: Place) -> oneshot::Receiver<String> {
        let (reached, result) = oneshot::channel();
        self.observed().interruption = Some(Interruption { remaining, place, reached });
        result
    }

    /// Lets the next `count` requests with this method and path wait for each other.
    pub(crate) fn meet(&self, request: &'static str, count: usize) {
        let barrier = Arc::new(Barrier::new(count));
        self.observed().meeting = Some(Meeting { request, remaining: count, barrier });
    }
}

impl Observed {
    /// Returns the interruption if it is this request's turn.
    fn due_interruption(&mut self) -> Option<Interruption> {
        let awaited = self.interruption.as_mut()?;
        if awaited.remaining == 0 {
            return self.interruption.take();
        }
        awaited.remaining -= 1;
        None
    }

    fn due_meeting(&mut self, request: &str) -> Option<Arc<Barrier>> {
        let meeting = self.meeting.as_mut().filter(|meeting| meeting.request == request && meeting.remaining > 0)?;
        meeting.remaining -= 1;
        Some(Arc::clone(&meeting.barrier))
    }
}

/// Middleware that notes requests, and stops those that are to be stopped. A stopped request ends when the page closes its
/// connection.
pub(crate) async fn observe(State(traffic): State<Traffic>, request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS {
        return next.run(request).await;
    }
    let name = format!("{} {}", request.method(), request.uri().path());
    let (interruption, meeting) = {
        let mut observed = traffic.observed();
        observed.requests.push(name.clone());
        (observed.due_interruption(), observed.due_meeting(&name))
    };
    if let Some(meeting) = meeting {
        meeting.wait().await;
    }
    let Some(Interruption { place, reached, .. }) = interruption else {
        return next.run(request).await;
    };
    match place {
        Place::Before => {
            reached.send(name).ok();
            std::future::pending().await
        }
        Place::After => {
            next.run(request).await;
            reached.send(name).ok();
            std::future::pending().await
        }
        Place::Anywhere => {
            reached.send(name).ok();
            next.run(request).await
        }
    }
}
