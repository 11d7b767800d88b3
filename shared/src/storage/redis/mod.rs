//! Sessions and rate limits in Redis 7 or a compatible server, or in a Redis Cluster.
//!
//! Each atomic operation is one Lua script. All keys of a script belong to one user, and so to one slot of a cluster. Every key
//! has a time to live. It is computed from the caller's clock, which also decides what has expired.

mod connection;
mod coverage;
mod diagnose;
mod endpoint;
mod keys;
mod rate_limiter;
mod script;
mod sessions;

use ::redis::RedisResult;

use self::connection::Connection;
use self::script::Script;
use crate::secret::RotatingSecret;

/// Sessions and rate limits in Redis.
pub struct RedisSessions {
    connection: Connection,
    scripts: Scripts,
}

struct Scripts {
    take: Script,
    give_back: Script,
    exchange: Script,
    authenticate: Script,
    open: Script,
    rotate: Script,
    end_others: Script,
}

/// Concatenates the files of these names in `lua` to one script.
macro_rules! script {
    ($($name:literal),+) => {
        Script::new(concat!($(include_str!(concat!("lua/", $name, ".lua"))),+))
    };
}

impl RedisSessions {
    /// Creates a store for the server at `url`, whose scheme is `redis` or `rediss`, or for the cluster with the nodes in `url`,
    /// whose scheme is `redis+cluster` or `rediss+cluster`. The first call connects.
    ///
    /// # Errors
    /// When the URL is invalid.
    pub fn new(url: RotatingSecret) -> RedisResult<Self> {
        crate::root_certificates::install_crypto_provider();
        let scripts = Scripts {
            take: script!("bucket", "take"),
            give_back: script!("bucket", "give_back"),
            exchange: script!("bucket", "exchange"),
            authenticate: script!("bucket", "sessions", "authenticate"),
            open: script!("sessions", "open"),
            rotate: script!("sessions", "rotate"),
            end_others: script!("sessions", "end_others"),
        };
        Ok(Self { connection: Connection::new(url)?, scripts })
    }
}
