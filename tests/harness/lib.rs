//! Test harness: runs the service and its stores, and provides clients that use it.

mod api;
mod backends;
mod certificates;
mod chrome_driver;
mod compression;
pub mod cost;
pub mod deployment;
mod device;
mod dump;
mod edits;
mod emulator;
mod gateway;
mod items;
mod moto;
mod process;
mod proxy;
mod rotel;
mod routes;
mod servers;
mod service;
mod template;
mod test_user;
mod trace_proxy;

pub use api::{Api, Request, Response};
pub use backends::Backends;
pub use certificates::Certificates;
pub use chrome_driver::ChromeDriver;
pub(crate) use compression::fast_gzip;
pub use compression::{gzip, zstd};
pub use device::{Device, Key, KnownItem, PendingChange};
pub use dump::{dump, select};
pub use edits::{Edits, marker_in};
pub use emulator::Emulator;
pub use gateway::{API_KEY as GATEWAY_API_KEY, Gateway, REQUEST_ID as GATEWAY_REQUEST_ID};
pub use items::{connection, history, no_op_upload, saved_query};
pub use moto::Moto;
pub use process::{ServerProcess, process_memory_kib};
pub use proxy::{Fault, Proxy};
pub use rotel::{ReceivedSpan, Rotel};
pub use routes::{Auth, ROUTES};
pub use servers::{PgBouncer, PostgresServer, RedisCluster, RedisServer, Shutdown, Sqld};
pub use service::{Service, begin_deletion};
pub use template::{Route, Template, python_tool};
pub use test_user::{PASSWORD, TestUser, error_fields, login_request, pluck, query_update, refresh, try_login};

/// Creates a temporary folder, in memory if `/dev/shm` exists: tests make thousands of commits, which would wait for a disk.
///
/// # Panics
/// If the folder cannot be created.
pub fn scratch_dir() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder can be created")
}

/// Waits for an email of the kind `kind` in the outbox folder in `data`, and returns the newest file with a text part. The
/// HTML part is in a file beside it, which is written first.
pub async fn wait_for_email(data: &std::path::Path, kind: &str) -> std::path::PathBuf {
    let find_newest = async || {
        let files = std::fs::read_dir(data.join("outbox")).ok()?.map(|file| file.expect("readable").path());
        let texts = files.filter(|file| file.extension().is_some_and(|extension| extension == "txt"));
        texts.filter(|file| file.to_string_lossy().contains(&format!("-{kind}-"))).max()
    };
    eventually(kind, find_newest).await
}

/// Polls `poll` every 20 ms until it returns a value, for at most 30 s.
///
/// # Panics
/// If the time limit passes; the message names `what`.
pub async fn eventually<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = poll().await {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(std::time::Duration::from_secs(30), found).await;
    found.unwrap_or_else(|_| panic!("timed out waiting for: {what}"))
}
