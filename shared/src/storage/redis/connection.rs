use std::sync::atomic::{AtomicU64, Ordering};

use ::redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind};
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::endpoint::{Endpoint, EndpointConnection};
use super::script::Invocation;
use crate::secret::RotatingSecret;
use crate::storage::{StoreError, StoreResult};
use crate::telemetry::{Dependency, instrumented};

/// Source of connection numbers, unique within the process.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// A connection that all requests of the process share, and that is replaced when it fails: to one server, or to the nodes of
/// a cluster.
///
/// `ConnectionManager` of the `redis` crate keeps a connection that no longer responds, such as one that died while the
/// function was frozen, and fails the request that notices. Its cluster client repeats a request that timed out on the same
/// connection. All connections of a process die together while it is frozen, so those to a cluster are replaced together.
pub(super) struct Connection {
    url: RotatingSecret,
    current: Mutex<Option<OpenConnection>>,
    /// Number of failed attempts to connect.
    failures: AtomicU64,
}

struct OpenConnection {
    connection: EndpointConnection,
    /// Identifies this connection among its predecessors and successors.
    number: u64,
}

/// A request that takes one round trip.
pub(super) enum Request<'a> {
    Command(&'a Cmd),
    Script(&'a Invocation<'a>),
}

impl Request<'_> {
    async fn send<T: FromRedisValue>(&self, connection: &mut EndpointConnection) -> RedisResult<T> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(script) => script.invoke(connection).await,
        }
    }
}

impl Connection {
    /// Creates a connection to `url` that the first request opens.
    pub(super) fn new(url: RotatingSecret) -> RedisResult<Self> {
        Endpoint::parse(&url.get())?;
        Ok(Self { url, current: Mutex::default(), failures: AtomicU64::new(0) })
    }

    /// Sends a request, and once more on a new connection if the first one breaks. The request must be idempotent. `name` is
    /// its name in logs, traces and metrics.
    pub(super) async fn request<T: FromRedisValue>(&self, name: &'static str, request: Request<'_>) -> StoreResult<T> {
        Ok(self.request_with_retry_flag(name, request).await?.0)
    }

    /// Sends a request as [`request`](Self::request) does, and returns also whether it was sent twice: the server may have
    /// executed the first one, and only its response was lost.
    pub(super) async fn request_with_retry_flag<T: FromRedisValue>(
        &self,
        name: &'static str,
        request: Request<'_>,
    ) -> StoreResult<(T, bool)> {
        instrumented(Dependency::Redis, name, self.with_retry(request)).await
    }

    async fn with_retry<T: FromRedisValue>(&self, request: Request<'_>) -> StoreResult<(T, bool)> {
        match self.attempt(&request).await {
            Err(error) if is_broken(&error) => {
                let second = self.attempt(&request).await;
                second.map(|response| (response, true)).map_err(|error| store_error(&error))
            }
            other => other.map(|response| (response, false)).map_err(|error| store_error(&error)),
        }
    }

    async fn attempt<T: FromRedisValue>(&self, request: &Request<'_>) -> RedisResult<T> {
        let (mut connection, number) = self.connection().await?;
        let response = request.send(&mut connection).await;
        if response.as_ref().is_err_and(is_broken) {
            self.current.lock().await.take_if(|open| open.number == number);
        }
        response
    }

    /// Returns the connection and its number; opens it if there is none. If opening fails, all requests that wait for it fail
    /// at once instead of trying one after the other.
    async fn connection(&self) -> RedisResult<(EndpointConnection, u64)> {
        let failures = self.failures.load(Ordering::SeqCst);
        let mut current = self.current.lock().await;
        if let Some(open) = &*current {
            return Ok((open.connection.clone(), open.number));
        }
        if self.failures.load(Ordering::SeqCst) != failures {
            return Err((ErrorKind::Io, "another request failed to open the connection").into());
        }
        let connection = self.open().await.inspect_err(|_| {
            self.failures.fetch_add(1, Ordering::SeqCst);
        })?;
        let number = NEXT_NUMBER.fetch_add(1, Ordering::SeqCst);
        *current = Some(OpenConnection { connection: connection.clone(), number });
        Ok((connection, number))
    }

    /// Current URL of the server.
    pub(super) fn url(&self) -> SecretString {
        self.url.get()
    }

    /// Opens a connection. If the server rejects the password and a newer one is available, tries again with that.
    async fn open(&self) -> RedisResult<EndpointConnection> {
        let url = self.url.get();
        match connect(&url).await {
            Err(error) if is_unauthorized(&error) => match self.url.replacement_for(&url).await {
                Some(newer) => connect(&newer).await,
                None => Err(error),
            },
            other => other,
        }
    }
}

pub(super) async fn connect(url: &SecretString) -> RedisResult<EndpointConnection> {
    Endpoint::parse(url)?.connect().await
}

/// Whether the server rejects the password, or requires one.
pub(super) fn is_unauthorized(error: &RedisError) -> bool {
    // If the client cannot connect to any node of a cluster, only the text of its error names the kind of the last one.
    let names_kind = |detail: &str| detail.contains(&format!("{:?}", ErrorKind::AuthenticationFailed));
    error.kind() == ErrorKind::AuthenticationFailed
        || error.code().is_some_and(|code| UNAUTHORIZED.contains(&code))
        || error.detail().is_some_and(names_kind)
}

/// Whether the connection is unusable: it is lost, does not respond, or leads to a server that no longer accepts writes, such
/// as a demoted primary.
fn is_broken(error: &RedisError) -> bool {
    let is_demoted = matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown));
    let is_lost = error.is_io_error() || error.is_connection_dropped() || error.is_timeout();
    is_demoted || is_lost || error.is_unrecoverable_error()
}

/// Error codes of a temporary outage: starting, out of memory or disk, cut off from its replicas, busy with a script, a slot
/// that is being moved or has no master. A redirection becomes an error if it leads nowhere while masters change, or if the URL
/// of one server names a node of a cluster, which the operator can correct.
const OUTAGES: [&str; 9] =
    ["LOADING", "OOM", "MISCONF", "NOREPLICAS", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MOVED", "ASK"];

/// Error codes of a rejected or missing password. The operator can fix these.
const UNAUTHORIZED: [&str; 2] = ["NOAUTH", "WRONGPASS"];

fn store_error(error: &RedisError) -> StoreError {
    let reason = error.to_string();
    let is_temporary = is_unauthorized(error) || error.code().is_some_and(|code| OUTAGES.contains(&code));
    if is_temporary || is_broken(error) {
        StoreError::Unavailable { store: "redis", reason }
    } else {
        StoreError::Refused { store: "redis", reason }
    }
}
