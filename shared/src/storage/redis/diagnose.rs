use ::redis::{RedisError, cmd};

use super::RedisSessions;
use super::connection::{connect, is_unauthorized};
use crate::storage::Diagnosis;

impl RedisSessions {
    /// Connects once and pings the server.
    ///
    /// # Errors
    /// The reason for which the server cannot be used.
    pub async fn diagnose(&self) -> Result<(), Diagnosis> {
        let url = self.connection.url();
        let remedy = |error: &RedisError| {
            if is_unauthorized(error) {
                "correct the user and the password in the URL"
            } else {
                "start the server, or correct the address"
            }
        };
        let check = async {
            // The server demands a password only once it is asked something.
            let mut connection = connect(&url).await?;
            cmd("PING").query_async(&mut connection).await
        };
        check.await.map_err(|error: RedisError| Diagnosis::new(&url, &error, remedy(&error)))
    }
}
