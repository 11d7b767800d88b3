//! What the tests have in common: a service to talk to, and devices that talk to it as clients do.

mod api;
mod backends;
mod certificates;
mod chrome_driver;
mod compression;
mod device;
mod edits;
mod emulator;
mod gateway;
mod items;
mod moto;
mod person;
mod process;
mod proxy;
mod rotel;
mod routes;
mod servers;
mod service;
mod template;
mod trace_giver;

pub use api::{Answer, Api, Call};
pub use backends::Backends;
pub use certificates::Certificates;
pub use chrome_driver::ChromeDriver;
pub use compression::{gzip, zstd};
pub use device::{Device, Key, Known, PendingChange};
pub use edits::{Edits, marker_in};
pub use emulator::Emulator;
pub use gateway::{Gateway, REQUEST_ID as GATEWAY_REQUEST_ID};
pub use items::{connection, history, saved_query, small_upload};
pub use moto::Moto;
pub use person::{PASSWORD, Person, fields, ids, login, refresh, try_login, write};
pub use process::{ServerProcess, memory};
pub use proxy::{Fault, Proxy};
pub use rotel::{ReceivedSpan, Rotel};
pub use routes::{Auth, ROUTES};
pub use servers::{Ending, PgBouncer, PostgresServer, RedisServer, Sqld};
pub use service::{Service, begin_deletion};
pub use template::{Route, Template, python_tool};

/// A folder for a test's files: in memory where there is such a place, for thousands of commits wait for their disk.
///
/// # Panics
/// When no folder can be made.
pub fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder can be made")
}

/// Waits for a mail of the kind `kind` in the outbox in `data`; the file with the text part of the newest, beside which
/// lies the HTML, which was written before.
pub async fn written_mail(data: &std::path::Path, kind: &str) -> std::path::PathBuf {
    let look = async || {
        let files = std::fs::read_dir(data.join("outbox")).ok()?.map(|file| file.expect("readable").path());
        let texts = files.filter(|file| file.extension().is_some_and(|extension| extension == "txt"));
        texts.filter(|file| file.to_string_lossy().contains(&format!("-{kind}-"))).max()
    };
    eventually(kind, look).await
}

/// What `look` finds at last, when it looks for at most 30 seconds.
///
/// # Panics
/// When it never finds it.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(std::time::Duration::from_secs(30), found).await;
    found.unwrap_or_else(|_| panic!("{what} never came"))
}
