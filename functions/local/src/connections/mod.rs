//! Connections of clients: how many may be open, which one is closed in favour of another, and how long each may take.

mod http;
mod limits;
mod rejection;
mod table;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use http::serve_connection;
pub use limits::ConnectionLimits;
use table::{Client, Table};

/// The open connections.
pub(crate) struct Connections {
    table: Mutex<Table>,
    /// Notified when a connection was closed.
    closed: Notify,
}

impl Connections {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { table: Mutex::new(Table::new(limits)), closed: Notify::new() })
    }

    /// Registers a connection of `peer`, which may evict another one; `None` if there is no room for it. The per-address limit
    /// does not apply to a proxy.
    pub(crate) fn open(self: &Arc<Self>, peer: IpAddr, is_proxy: bool) -> Option<Arc<Connection>> {
        let (id, evicted) = self.table().add(Client::new(peer, is_proxy), Instant::now())?;
        Some(Arc::new(Connection {
            connections: Arc::clone(self),
            id,
            evicted,
            is_in_request: AtomicBool::new(false),
            is_answered: AtomicBool::new(false),
        }))
    }

    /// Waits until the evicted connections are closed, so that the limit holds for descriptors, too.
    pub(crate) async fn evictions_completed(&self) {
        while self.table().is_above_limit() {
            self.closed.notified().await;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open connection. It counts against the limits until it is dropped.
///
/// A connection is busy from the end of a request, with its body, until its response has been handed to the operating system. Otherwise
/// it waits for its client, and can be evicted.
pub(crate) struct Connection {
    connections: Arc<Connections>,
    id: u64,
    evicted: Arc<Notify>,
    /// Whether a head is complete, and its response not yet flushed.
    is_in_request: AtomicBool,
    /// Whether the response is complete, but not yet flushed.
    is_answered: AtomicBool,
}

impl Connection {
    /// Records that the head of a request is complete. The connection waits for the body.
    fn head_completed(&self) {
        self.is_answered.store(false, Ordering::Relaxed);
        self.is_in_request.store(true, Ordering::Relaxed);
        self.connections.table().set_waiting(self.id, Some(Instant::now()));
    }

    /// Records that the body of the request is complete, or that its reader has given up.
    fn request_completed(&self) {
        if self.is_in_request.load(Ordering::Relaxed) {
            self.connections.table().set_waiting(self.id, None);
        }
    }

    /// Records that the response is complete. It may still be in a buffer.
    fn response_ended(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// Records that all buffers are empty.
    fn flushed(&self) {
        if self.is_answered.swap(false, Ordering::Relaxed) {
            self.is_in_request.store(false, Ordering::Relaxed);
            self.connections.table().set_waiting(self.id, Some(Instant::now()));
        }
    }

    /// Whether a head is complete, and its response not yet flushed.
    fn is_in_request(&self) -> bool {
        self.is_in_request.load(Ordering::Relaxed)
    }

    /// Completes when the connection has to be closed in favour of another.
    async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.table().remove(self.id);
        self.connections.closed.notify_one();
    }
}
