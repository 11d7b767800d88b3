use std::io;
use std::time::Duration;

use ::redis::aio::{ConnectionLike, MultiplexedConnection};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::{ClusterConnection, Connect};
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, IntoConnectionInfo, Pipeline, RedisError, RedisFuture, RedisResult,
    Value,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use crate::config::RedisConfig;

/// Maximum time to connect to one server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time for one server to respond.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum time to connect to one node of a cluster. While the client tries to connect to one that does not respond, it holds
/// back the requests to all others.
const NODE_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum time to connect to a cluster: to the nodes of the URL side by side, then one is asked for the slots, then the others
/// are connected side by side. The client has no such limit (<https://github.com/redis-rs/redis-rs/issues/1953>).
const CLUSTER_CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Maximum time of a request to a cluster with its redirections, and with the time for which the client holds it back.
const CLUSTER_RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

/// Number of times that a request follows a redirection, or is repeated because its slot is being moved or has no master.
const CLUSTER_RETRIES: u32 = 8;
/// Bounds of the random pauses before a repeat, which double: 1 s on average for all of them.
const CLUSTER_RETRY_MILLIS: std::ops::Range<u64> = 20..400;

/// One server, or a cluster.
#[expect(clippy::large_enum_variant, reason = "there is one value, while a connection is opened")]
pub(super) enum Endpoint {
    Server(Client),
    Cluster(ClusterClient),
}

impl Endpoint {
    /// Parses a URL. Does not connect.
    pub(super) fn parse(url: &SecretString) -> RedisResult<Self> {
        let Some(nodes) = RedisConfig::cluster_nodes(url) else {
            return Ok(Self::Server(Client::open(url.expose_secret())?));
        };
        let client = ClusterClient::builder(nodes.iter().map(ExposeSecret::expose_secret))
            .connection_timeout(NODE_CONNECT_TIMEOUT)
            .response_timeout(RESPONSE_TIMEOUT)
            .overall_response_timeout(Some(CLUSTER_RESPONSE_TIMEOUT))
            .retries(CLUSTER_RETRIES)
            .min_retry_wait(CLUSTER_RETRY_MILLIS.start)
            .max_retry_wait(CLUSTER_RETRY_MILLIS.end)
            .retry_wait_formula(10, 2);
        Ok(Self::Cluster(client.build()?))
    }

    /// Connects to the server, or to all nodes of the cluster.
    pub(super) async fn connect(&self) -> RedisResult<EndpointConnection> {
        match self {
            Self::Server(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT_TIMEOUT))
                    .set_response_timeout(Some(RESPONSE_TIMEOUT));
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                Ok(EndpointConnection::Server(connection))
            }
            Self::Cluster(client) => {
                // The documentation of the crate hides this function, the only one for connections of another type.
                let connection = timeout(CLUSTER_CONNECT_TIMEOUT, client.get_async_generic_connection()).await;
                Ok(EndpointConnection::Cluster(connection.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??))
            }
        }
    }
}

/// Connection to a server, or connections to the nodes of a cluster. Clones share it.
#[derive(Clone)]
pub(super) enum EndpointConnection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection<NodeConnection>),
}

impl ConnectionLike for EndpointConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Connection to one node of a cluster.
///
/// The cluster client repeats a request when its connection fails. The first one may have been executed, and the caller would
/// not learn that it was sent twice. This connection reports such errors as one that the client does not repeat, so that
/// [`Connection`](super::connection::Connection) does. The client still repeats what the server has refused: redirections, a
/// slot that is being moved, a slot without a master. One case remains: if no node at all tells the slots when they have changed,
/// the client also repeats what is in progress.
#[derive(Clone)]
pub(super) struct NodeConnection(MultiplexedConnection);

/// Converts an error that is no response of the server into the one kind of I/O error that the cluster client does not repeat.
fn without_repeat(error: RedisError) -> RedisError {
    match error.kind() {
        ErrorKind::Server(_) => error,
        _ => io::Error::new(io::ErrorKind::Unsupported, error.to_string()).into(),
    }
}

impl Connect for NodeConnection {
    fn connect_with_config<'a, T>(info: T, config: AsyncConnectionConfig) -> RedisFuture<'a, Self>
    where
        T: IntoConnectionInfo + Send + 'a,
    {
        Box::pin(async move { Ok(Self(MultiplexedConnection::connect_with_config(info, config).await?)) })
    }
}

impl ConnectionLike for NodeConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move { self.0.req_packed_command(command).await.map_err(without_repeat) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move { self.0.req_packed_commands(pipeline, offset, count).await.map_err(without_repeat) })
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}
