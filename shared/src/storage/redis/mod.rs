//! Sessions and token buckets in Redis 7, or whatever speaks its protocol.
//!
//! What has to happen at once is one Lua script, whose keys are all of one user and so in one slot of a cluster. Every key has
//! a time to live; it is counted from the caller's clock, which also decides what has expired.

mod connection;
mod diagnose;
mod keys;
mod rate_limiter;
mod sessions;

use ::redis::Script;

use self::connection::Connection;
use crate::secret::RotatingSecret;

/// Sessions and token buckets in Redis.
pub struct RedisSessions {
    connection: Connection,
    scripts: Scripts,
}

struct Scripts {
    take: Script,
    authenticate: Script,
    open: Script,
    rotate: Script,
    end_others: Script,
}

/// A script of the files below `lua`, one after the other.
macro_rules! script {
    ($($name:literal),+) => {
        Script::new(concat!($(include_str!(concat!("lua/", $name, ".lua"))),+))
    };
}

impl RedisSessions {
    /// The server at `url`, whose scheme is `redis` or `rediss`. Nothing is connected before the first call.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn new(url: RotatingSecret) -> Result<Self, String> {
        crate::root_certificates::install_crypto_provider();
        let scripts = Scripts {
            take: script!("bucket", "take"),
            authenticate: script!("bucket", "sessions", "authenticate"),
            open: script!("sessions", "open"),
            rotate: script!("sessions", "rotate"),
            end_others: script!("sessions", "end_others"),
        };
        Ok(Self { connection: Connection::to(url)?, scripts })
    }
}
