//! One HTTP/1.1 connection, its timeouts, and the observation of its state.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use super::Connection;
use super::rejection::rejection;

/// Time within which the head of a request must be complete, from the end of the response before it or the start of the
/// connection. hyper also closes idle connections then.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for which a client may read nothing of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves requests on `stream` until either side closes it, a timeout passes or it is evicted, and for a graceful stop until the
/// request in progress is complete.
pub(crate) async fn serve_connection<S>(
    stream: S,
    peer: SocketAddr,
    connection: Arc<Connection>,
    router: Router,
    stop: Watcher,
) where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let observed = ObservedStream { stream: Box::pin(stream), connection: Arc::clone(&connection), rejection: None };
    let service = service_fn(|request: Request<Incoming>| {
        connection.head_completed();
        if request.body().is_end_stream() {
            connection.request_completed();
        }
        let [for_request, for_response] = [Arc::clone(&connection), Arc::clone(&connection)];
        let observed = |body| ObservedBody { body, dropped: move || for_request.request_completed() };
        let mut request = request.map(|body| Body::new(observed(body)));
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = router.clone().oneshot(request);
        async move {
            let response = response.await.unwrap_or_else(|error: Infallible| match error {});
            let observed = |body| ObservedBody { body, dropped: move || for_response.response_ended() };
            Ok::<_, Infallible>(response.map(observed))
        }
    });
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(observed), service);
    tokio::select! {
        // First, so that an evicted connection starts no further request.
        biased;
        () = connection.evicted() => tracing::debug!("connection evicted"),
        result = stop.watch(http) => {
            if let Err(error) = result {
                tracing::debug!(%error, "connection failed");
            }
        }
    }
}

/// Stream that reports when everything was written, and replaces hyper's responses to heads that it cannot read.
struct ObservedStream<S> {
    stream: S,
    connection: Arc<Connection>,
    /// Rest of a response that replaces one of hyper.
    rejection: Option<Vec<u8>>,
}

impl<S: AsyncWrite + Unpin> ObservedStream<S> {
    /// Writes a rejection instead of `bytes`, if they are one of hyper; `None` if they are not.
    fn poll_rejection(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        // Between requests, hyper writes nothing else.
        if self.rejection.is_none() && !self.connection.is_in_request() {
            self.rejection = rejection(bytes);
        }
        let rest = self.rejection.as_mut()?;
        while !rest.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Ready(Ok(written)) if written > 0 => drop(rest.drain(..written)),
                unwritten => return Some(unwritten),
            }
        }
        Some(Poll::Ready(Ok(bytes.len())))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ObservedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ObservedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(polled) = self.poll_rejection(context, bytes) {
            return polled;
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = buffers.first().map_or(&[][..], |buffer| buffer);
        if let Some(polled) = self.poll_rejection(context, first) {
            return polled;
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes the stream when it has written its whole buffer.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.connection.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Body that reports when it is dropped: after its end, or when its reader has given up.
struct ObservedBody<B, F: FnMut()> {
    body: B,
    dropped: F,
}

impl<B: HttpBody + Unpin, F: FnMut() + Unpin> HttpBody for ObservedBody<B, F> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B, F: FnMut()> Drop for ObservedBody<B, F> {
    fn drop(&mut self) {
        (self.dropped)();
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use hyper_util::server::graceful::GracefulShutdown;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep};

    use super::super::{ConnectionLimits, Connections};
    use super::*;

    /// Size of the buffer between client and server, in each direction.
    const BUFFER: usize = 1_024;
    const RESPONSE: usize = 20 * BUFFER;
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    /// Between the timeouts and twice their time.
    const PAUSE: Duration = Duration::from_secs(20);

    /// A connection whose time is simulated.
    struct Fixture {
        client: DuplexStream,
        connections: Arc<Connections>,
        serving: JoinHandle<()>,
        _graceful: GracefulShutdown,
    }

    impl Fixture {
        fn start() -> Self {
            let peer: SocketAddr = "192.0.2.1:50000".parse().expect("an address");
            let connections = Connections::new(ConnectionLimits { total: 1, per_client: 1 });
            let connection = connections.open(peer.ip(), false).expect("there is room");
            let router = Router::new().route("/", get(async || "x".repeat(RESPONSE)));
            let (client, server) = duplex(BUFFER);
            let graceful = GracefulShutdown::new();
            let serving = tokio::spawn(serve_connection(server, peer, connection, router, graceful.watcher()));
            Self { client, connections, serving, _graceful: graceful }
        }

        async fn send(&mut self, bytes: &[u8]) {
            self.client.write_all(bytes).await.expect("the connection is open");
        }

        /// Receives a response, with a pause before each part.
        async fn receive(&mut self, pause: Duration) {
            let (mut received, mut part) = (Vec::new(), [0; BUFFER]);
            while !received.ends_with("x".repeat(RESPONSE).as_bytes()) {
                sleep(pause).await;
                let length = self.client.read(&mut part).await.expect("the connection is open");
                assert!(length > 0, "the response was cut off after {} bytes", received.len());
                received.extend_from_slice(&part[..length]);
            }
        }

        /// Waits until the server closes the connection, and returns how long that took.
        async fn closed(self) -> Duration {
            let started = Instant::now();
            self.serving.await.expect("serving does not panic");
            started.elapsed()
        }

        /// Whether the connection would be closed in favour of another.
        fn is_evictable(&self) -> bool {
            let peer = "192.0.2.2".parse().expect("an address");
            self.connections.open(peer, false).is_some()
        }
    }

    #[track_caller]
    fn assert_about(time: Duration, expected: Duration) {
        assert!(time >= expected && time < expected + Duration::from_secs(1), "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_complete_head_is_closed() {
        for head in [&b""[..], b"GET / HT"] {
            let mut fixture = Fixture::start();
            fixture.send(head).await;
            assert_about(fixture.closed().await, HEAD_TIMEOUT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_of_a_head_do_not_extend_its_timeout() {
        let mut fixture = Fixture::start();
        fixture.send(b"GET / ").await;
        sleep(PAUSE).await;
        fixture.send(b"HTTP/1.1\r\n").await;
        assert_about(fixture.closed().await, HEAD_TIMEOUT - PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed_after_its_last_response() {
        let mut fixture = Fixture::start();
        for _ in 0..3 {
            sleep(PAUSE).await;
            fixture.send(REQUEST).await;
            fixture.receive(Duration::ZERO).await;
        }
        assert_about(fixture.closed().await, HEAD_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_no_response_is_disconnected() {
        let mut fixture = Fixture::start();
        fixture.send(REQUEST).await;
        assert_about(fixture.closed().await, WRITE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_gets_the_whole_response() {
        let mut fixture = Fixture::start();
        fixture.send(REQUEST).await;
        fixture.receive(PAUSE).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_busy_until_its_response_is_written() {
        let mut fixture = Fixture::start();
        fixture.send(REQUEST).await;
        sleep(Duration::from_secs(1)).await;
        assert!(!fixture.is_evictable());
        fixture.receive(Duration::ZERO).await;
        sleep(Duration::from_secs(1)).await;
        assert!(fixture.is_evictable());
        assert_about(fixture.closed().await, Duration::ZERO);
    }
}
