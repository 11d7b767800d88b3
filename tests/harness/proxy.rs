//! A TCP proxy between the service and a store, that can do to connections what networks do.

use std::io::Result;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It passes on what comes.
    None,
    /// Every connection is closed, and every new one at once: the store is down.
    Down,
    /// Nothing is passed on, in neither direction, and nothing closed.
    BlackHole,
    /// Every answer comes later by this.
    Slow(Duration),
    /// A request is passed on; of its answer so many bytes come, then the connection breaks.
    Cut(usize),
}

/// A proxy, for as long as it is kept.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// The port that new connections lead to.
    target: AtomicU16,
    fault: watch::Sender<Fault>,
    /// The answers that the fault strikes, counted from now.
    struck: Mutex<Range<usize>>,
    /// Connections older than this are dead: nobody passes anything on for them, and nobody tells.
    generation: AtomicUsize,
    trips: AtomicUsize,
}

impl Proxy {
    /// A proxy to the port `target` of this machine.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let shared = Arc::new(Shared {
            target: AtomicU16::new(target),
            fault: watch::Sender::new(Fault::None),
            struck: Mutex::new(0..usize::MAX),
            generation: AtomicUsize::new(0),
            trips: AtomicUsize::new(0),
        });
        tokio::spawn(listen(listener, Arc::downgrade(&shared)));
        Self { port, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it leads.
    pub fn target(&self) -> u16 {
        self.shared.target.load(Ordering::SeqCst)
    }

    /// From now on it does this.
    ///
    /// # Panics
    /// Never.
    pub fn set(&self, fault: Fault) {
        self.strike(fault, 0..usize::MAX);
    }

    /// It does this to some of the answers to come, counted from 0.
    ///
    /// # Panics
    /// Never.
    pub fn strike(&self, fault: Fault, answers: Range<usize>) {
        *self.shared.struck.lock().expect("no panic") = answers;
        self.shared.fault.send_replace(fault);
    }

    /// From now on new connections lead to the port `target`; those that there are stay.
    pub fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
    }

    /// All connections that there are go dead, and nobody is told: what a function finds that was frozen for a while.
    pub fn forget_connections(&self) {
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Round trips since the last look: how often something was sent after something was received, or at first.
    pub fn trips(&self) -> usize {
        self.shared.trips.swap(0, Ordering::SeqCst)
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
    let born = shared.generation.load(Ordering::SeqCst);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let is_asking = AtomicBool::new(false);
    let mut fault = shared.fault.subscribe();
    tokio::select! {
        result = pass_requests(from_client, to_server, born, &shared, &is_asking) => result,
        result = pass_answers(from_server, to_client, born, &shared, &is_asking) => result,
        _ = fault.wait_for(|fault| *fault == Fault::Down) => Ok(()),
    }
}

/// Never returns for a connection that is dead.
async fn unless_dead(born: usize, shared: &Shared) {
    if shared.generation.load(Ordering::SeqCst) != born {
        std::future::pending::<()>().await;
    }
}

async fn pass_requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    born: usize,
    shared: &Shared,
    is_asking: &AtomicBool,
) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        unless_dead(born, shared).await;
        if *shared.fault.borrow() == Fault::BlackHole {
            std::future::pending::<()>().await;
        }
        if !is_asking.swap(true, Ordering::SeqCst) {
            shared.trips.fetch_add(1, Ordering::SeqCst);
        }
        to.write_all(&buffer[..count]).await?;
    }
}

async fn pass_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    born: usize,
    shared: &Shared,
    is_asking: &AtomicBool,
) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        unless_dead(born, shared).await;
        let is_first = is_asking.swap(false, Ordering::SeqCst);
        match if is_first { strike(shared) } else { *shared.fault.borrow() } {
            Fault::BlackHole => std::future::pending().await,
            Fault::Slow(delay) => tokio::time::sleep(delay).await,
            Fault::Cut(bytes) if is_first => return to.write_all(&buffer[..count.min(bytes)]).await,
            Fault::None | Fault::Down | Fault::Cut(_) => {}
        }
        to.write_all(&buffer[..count]).await?;
    }
}

/// The fault of the next answer.
fn strike(shared: &Shared) -> Fault {
    let mut struck = shared.struck.lock().expect("no panic");
    let strikes = struck.contains(&0);
    *struck = struck.start.saturating_sub(1)..struck.end.saturating_sub(1);
    if strikes { *shared.fault.borrow() } else { Fault::None }
}
