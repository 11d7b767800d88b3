use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ScriptInvocation,
    ServerErrorKind,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::secret::RotatingSecret;
use crate::storage::{StoreError, StoreResult};
use crate::telemetry::{Dependency, instrumented};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Numbers the connections of the process.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// One connection, which all requests of the process share, and which is replaced when it fails.
///
/// The crate's own `ConnectionManager` keeps a connection that no longer answers, such as one that died while the function
/// was frozen, and lets the request fail that finds out.
pub(super) struct Connection {
    url: RotatingSecret,
    current: Mutex<Option<Opened>>,
    /// How many attempts to connect have failed.
    failures: AtomicU64,
}

struct Opened {
    connection: MultiplexedConnection,
    /// Tells this connection from those before and after it.
    number: u64,
}

/// What is asked of Redis, in one round trip.
pub(super) enum Request<'a> {
    Command(&'a Cmd),
    Script(&'a ScriptInvocation<'a>),
}

impl Request<'_> {
    async fn by<T: FromRedisValue>(&self, connection: &mut MultiplexedConnection) -> RedisResult<T> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Script(script) => script.invoke_async(connection).await,
        }
    }
}

impl Connection {
    /// A connection to `url`, which is not opened yet.
    pub(super) fn to(url: RotatingSecret) -> Result<Self, String> {
        client(&url.get()).map_err(|error| error.to_string())?;
        Ok(Self { url, current: Mutex::default(), failures: AtomicU64::new(0) })
    }

    /// Asks for what may be asked twice, and what the log and traces call `name`: if the connection breaks, once more on a
    /// new one.
    pub(super) async fn request<T: FromRedisValue>(&self, name: &'static str, request: Request<'_>) -> StoreResult<T> {
        Ok(self.request_with_retry_flag(name, request).await?.0)
    }

    /// The same, and whether it was asked twice: the first may have been carried out, and only its answer lost.
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
                let again = self.attempt(&request).await;
                again.map(|answer| (answer, true)).map_err(|error| fault(&error))
            }
            other => other.map(|answer| (answer, false)).map_err(|error| fault(&error)),
        }
    }

    async fn attempt<T: FromRedisValue>(&self, request: &Request<'_>) -> RedisResult<T> {
        let (mut connection, number) = self.connection().await?;
        let answer = request.by(&mut connection).await;
        if answer.as_ref().is_err_and(is_broken) {
            self.current.lock().await.take_if(|opened| opened.number == number);
        }
        answer
    }

    /// The connection, opened if there is none. Of many who wait for one that cannot be opened all fail with the first,
    /// rather than one after the other.
    async fn connection(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        let failures = self.failures.load(Ordering::SeqCst);
        let mut current = self.current.lock().await;
        if let Some(opened) = &*current {
            return Ok((opened.connection.clone(), opened.number));
        }
        if self.failures.load(Ordering::SeqCst) != failures {
            return Err((ErrorKind::Io, "the connection that was waited for could not be opened").into());
        }
        let connection = self.open().await.inspect_err(|_| {
            self.failures.fetch_add(1, Ordering::SeqCst);
        })?;
        let number = CONNECTIONS.fetch_add(1, Ordering::SeqCst);
        *current = Some(Opened { connection: connection.clone(), number });
        Ok((connection, number))
    }

    /// Current URL of the server.
    pub(super) fn url(&self) -> SecretString {
        self.url.get()
    }

    /// Opens a connection; by the password that took the place of one that is refused, if there is one.
    async fn open(&self) -> RedisResult<MultiplexedConnection> {
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

fn client(url: &SecretString) -> RedisResult<Client> {
    Client::open(url.expose_secret())
}

pub(super) async fn connect(url: &SecretString) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT));
    client(url)?.get_multiplexed_async_connection_with_config(&config).await
}

/// Whether the password is refused, or one is missing.
pub(super) fn is_unauthorized(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || error.code().is_some_and(|code| UNAUTHORIZED.contains(&code))
}

/// Whether the connection is of no more use: it is gone or silent, or leads to a server that writes no longer, as one that
/// was the primary until lately.
fn is_broken(error: &RedisError) -> bool {
    let is_demoted = matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown));
    let is_lost = error.is_io_error() || error.is_connection_dropped() || error.is_timeout();
    is_demoted || is_lost || error.is_unrecoverable_error()
}

/// What the server says when it cannot serve now: starting, out of memory or disk, cut off from its replicas, busy with a
/// script.
const OUTAGES: [&str; 7] = ["LOADING", "OOM", "MISCONF", "NOREPLICAS", "BUSY", "TRYAGAIN", "CLUSTERDOWN"];

/// What it says when it waits for another password, which whoever runs the service can mend.
const UNAUTHORIZED: [&str; 2] = ["NOAUTH", "WRONGPASS"];

fn fault(error: &RedisError) -> StoreError {
    let reason = error.to_string();
    let is_passing = is_unauthorized(error) || error.code().is_some_and(|code| OUTAGES.contains(&code));
    if is_passing || is_broken(error) {
        StoreError::Unavailable { store: "sessions", reason }
    } else {
        StoreError::Refused { store: "sessions", reason }
    }
}
