use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{ConfigError, Env};
use crate::secret::RotatingSecret;

/// Schemes of the URL of one server, without and with TLS.
const SCHEMES: [&str; 2] = ["redis", "rediss"];

/// The Redis server, or the Redis Cluster, of sessions and rate limits.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `REDIS_URL`: `redis://…` or `rediss://…` for one server; `redis+cluster://…` or `rediss+cluster://…` for a cluster.
    pub url: RotatingSecret,
}

impl RedisConfig {
    /// Name of the variable that holds the URL.
    pub const URL: &'static str = "REDIS_URL";

    /// Reads the setting; `None` if it is not set.
    ///
    /// # Errors
    /// When the URL is not one of Redis.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let Some(url) = env.rotating_secret(Self::URL) else { return Ok(None) };
        let value = url.get();
        let nodes = Self::cluster_nodes(&value).unwrap_or_else(|| vec![value]);
        if nodes.iter().all(|node| is_server(node.expose_secret())) {
            return Ok(Some(Self { url }));
        }
        let expected = "redis://host:port, or redis+cluster://host:port,host:port for nodes of a cluster; \
                        rediss:// and rediss+cluster:// use TLS";
        Err(ConfigError::InvalidSecret { variable: Self::URL, expected: expected.to_owned() })
    }

    /// Reads the setting, which must be set.
    ///
    /// # Errors
    /// When it is not set, or as [`from_env`](Self::from_env).
    pub fn required(env: &Env) -> Result<Self, ConfigError> {
        let remedy =
            "set it to the Redis server of sessions: redis://… or rediss://…, or redis+cluster://… for a cluster";
        Self::from_env(env)?.ok_or(ConfigError::Missing { variable: Self::URL, remedy })
    }

    /// Returns a URL of each node that the URL of a cluster lists, or `None` if `url` is not that of a cluster.
    ///
    /// The form is `redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT`, as in the Python package `limits`
    /// (<https://limits.readthedocs.io/en/stable/storage.html>) and in Pomerium. User and password hold for all nodes.
    pub fn cluster_nodes(url: &SecretString) -> Option<Vec<SecretString>> {
        let (scheme, rest) = url.expose_secret().split_once("+cluster://")?;
        if !SCHEMES.contains(&scheme) {
            return None;
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
            None => (String::new(), authority),
        };
        let node = |host: &str| SecretString::from(format!("{scheme}://{credentials}{host}{path}"));
        Some(hosts.split(',').map(node).collect())
    }
}

/// Whether `url` is that of one server, with a host.
fn is_server(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| SCHEMES.contains(&url.scheme()) && url.has_host())
}
