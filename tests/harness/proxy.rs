//! TCP proxy between the service and a store that injects network faults.

use std::io::Result;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Network fault that a proxy injects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No fault: all traffic is forwarded.
    None,
    /// Closes all connections, and every new one immediately: the store is down.
    Down,
    /// Forwards nothing in either direction, and closes no connection.
    BlackHole,
    /// Delays every response by this duration.
    Slow(Duration),
    /// Forwards the request and this many bytes of its response, then closes the connection.
    Cut(usize),
}

/// TCP proxy; it stops when dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// Port to which new connections are forwarded.
    target: AtomicU16,
    fault: watch::Sender<Fault>,
    /// Indexes of the responses that the fault affects; the next response has index 0.
    affected: Mutex<Range<usize>>,
    /// Connections of an older generation are stalled: their traffic is dropped without closing them.
    generation: AtomicUsize,
    round_trips: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy to the local port `target`.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("the listener has an address").port();
        let shared = Arc::new(Shared {
            target: AtomicU16::new(target),
            fault: watch::Sender::new(Fault::None),
            affected: Mutex::new(0..usize::MAX),
            generation: AtomicUsize::new(0),
            round_trips: AtomicUsize::new(0),
        });
        tokio::spawn(listen(listener, Arc::downgrade(&shared)));
        Self { port, shared }
    }

    /// Port on which the proxy listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Port to which new connections are forwarded.
    pub fn target(&self) -> u16 {
        self.shared.target.load(Ordering::SeqCst)
    }

    /// Injects `fault` from now on.
    ///
    /// # Panics
    /// Never.
    pub fn set_fault(&self, fault: Fault) {
        self.inject(fault, 0..usize::MAX);
    }

    /// Injects `fault` into the responses with these indexes; the next response has index 0.
    ///
    /// # Panics
    /// Never.
    pub fn inject(&self, fault: Fault, responses: Range<usize>) {
        *self.shared.affected.lock().expect("no panic") = responses;
        self.shared.fault.send_replace(fault);
    }

    /// Forwards new connections to the port `target`; existing connections are unaffected.
    pub fn retarget(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
    }

    /// Stalls all existing connections without closing them, as a function finds them after it was frozen.
    pub fn stall_connections(&self) {
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the number of round trips since the last request. A round trip starts with data that the client sends first or
    /// after a response.
    pub fn take_round_trips(&self) -> usize {
        self.shared.round_trips.swap(0, Ordering::SeqCst)
    }
}

async fn listen(listener: TcpListener, shared: std::sync::Weak<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let Some(shared) = shared.upgrade() else { return };
        if *shared.fault.borrow() != Fault::Down {
            tokio::spawn(async move { serve(client, shared).await.ok() });
        }
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) -> Result<()> {
    let server = TcpStream::connect(("127.0.0.1", shared.target.load(Ordering::SeqCst))).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let generation = shared.generation.load(Ordering::SeqCst);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let awaits_response = AtomicBool::new(false);
    let mut fault = shared.fault.subscribe();
    tokio::select! {
        result = forward_requests(from_client, to_server, generation, &shared, &awaits_response) => result,
        result = forward_responses(from_server, to_client, generation, &shared, &awaits_response) => result,
        _ = fault.wait_for(|fault| *fault == Fault::Down) => Ok(()),
    }
}

/// Never returns for a connection that is stalled.
async fn wait_forever_if_stalled(generation: usize, shared: &Shared) {
    if shared.generation.load(Ordering::SeqCst) != generation {
        std::future::pending::<()>().await;
    }
}

async fn forward_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    generation: usize,
    shared: &Shared,
    awaits_response: &AtomicBool,
) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        wait_forever_if_stalled(generation, shared).await;
        if *shared.fault.borrow() == Fault::BlackHole {
            std::future::pending::<()>().await;
        }
        if !awaits_response.swap(true, Ordering::SeqCst) {
            shared.round_trips.fetch_add(1, Ordering::SeqCst);
        }
        to.write_all(&buffer[..count]).await?;
    }
}

async fn forward_responses(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    generation: usize,
    shared: &Shared,
    awaits_response: &AtomicBool,
) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        wait_forever_if_stalled(generation, shared).await;
        let is_first = awaits_response.swap(false, Ordering::SeqCst);
        match if is_first { next_fault(shared) } else { *shared.fault.borrow() } {
            Fault::BlackHole => std::future::pending().await,
            Fault::Slow(delay) => tokio::time::sleep(delay).await,
            Fault::Cut(bytes) if is_first => return to.write_all(&buffer[..count.min(bytes)]).await,
            Fault::None | Fault::Down | Fault::Cut(_) => {}
        }
        to.write_all(&buffer[..count]).await?;
    }
}

/// Returns the fault for the next response, and advances the indexes.
fn next_fault(shared: &Shared) -> Fault {
    let mut affected = shared.affected.lock().expect("no panic");
    let is_affected = affected.contains(&0);
    *affected = affected.start.saturating_sub(1)..affected.end.saturating_sub(1);
    if is_affected { *shared.fault.borrow() } else { Fault::None }
}
