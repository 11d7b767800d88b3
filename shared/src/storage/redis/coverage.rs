use ::redis::cmd;

use super::RedisSessions;
use super::connection::Request;
use crate::config::RedisConfig;
use crate::storage::{StoreError, StoreResult};

impl RedisSessions {
    /// Asks a node of a cluster whether each slot has a master that responds. Each user has one slot, so a write of one key
    /// does not show it. Does nothing for a single server.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if a slot has none, as that node sees it.
    pub(super) async fn check_coverage(&self) -> StoreResult<()> {
        if RedisConfig::cluster_nodes(&self.connection.url()).is_none() {
            return Ok(());
        }
        let mut command = cmd("CLUSTER");
        command.arg("INFO");
        let info: String = self.connection.request("cluster_info", Request::Command(&command)).await?;
        if is_complete(&info) {
            return Ok(());
        }
        Err(StoreError::Unavailable { store: "redis", reason: "a slot of the cluster has no master".to_owned() })
    }
}

/// Reads the response of [`CLUSTER INFO`](https://redis.io/docs/latest/commands/cluster-info/): `cluster_slots_ok` counts the
/// slots whose master does not seem to have failed.
fn is_complete(info: &str) -> bool {
    let has = |line: &str| info.lines().any(|other| other.trim_end() == line);
    has("cluster_state:ok") && has("cluster_slots_ok:16384")
}
