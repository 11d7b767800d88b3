//! Sessions and rate limits in Redis 7 or a compatible server.
//!
//! Each atomic operation is one Lua script. All keys of a script belong to one user, and so to one slot of a cluster. Every key
//! has a time to live. It is computed from the caller's clock, which also decides what has expired.

mod connection;
mod diagnose;
mod keys;
mod rate_limiter;
mod sessions;

use ::redis::{RedisResult, Script};

use self::connection::Connection;
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
    /// Creates a store for the server at `url`, whose scheme is `redis` or `rediss`. The first call connects.
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
