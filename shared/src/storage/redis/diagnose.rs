use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use super::connection::{connect, is_unauthorized};
use super::{RedisSessions, keys};
use crate::config::RedisConfig;
use crate::storage::{Diagnosis, diagnosis};

impl RedisSessions {
    /// Connects once and writes a key.
    ///
    /// # Errors
    /// The reason for which the server or the cluster cannot be used.
    pub async fn diagnose(&self) -> Result<(), Diagnosis> {
        let url = self.connection.url();
        let check = async {
            // The server demands a password only once it is asked something.
            let mut connection = connect(&url).await?;
            keys::write_ping().query_async(&mut connection).await
        };
        let Err(error): Result<(), RedisError> = check.await else { return Ok(()) };
        let diagnosis = Diagnosis::new(&url, &error, remedy(&error));
        let Some(nodes) = RedisConfig::cluster_nodes(&url) else { return Err(diagnosis) };
        let addresses: Vec<String> = nodes.iter().map(diagnosis::address).collect();
        Err(Diagnosis { address: addresses.join(","), ..diagnosis })
    }
}

fn remedy(error: &RedisError) -> &'static str {
    let is_single = error.detail().is_some_and(|detail| detail.contains("cluster support disabled"));
    match error.kind() {
        _ if is_unauthorized(error) => "correct the user and the password in the URL",
        _ if is_single => "use redis:// or rediss:// for a server that is not in a cluster",
        ErrorKind::Server(ServerErrorKind::Moved) => "use redis+cluster:// or rediss+cluster:// for a cluster",
        _ => "start the server, or correct the address",
    }
}
