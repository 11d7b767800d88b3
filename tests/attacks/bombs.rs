//! Small bodies that inflate to large ones are refused, and the server has not held them while it found out.

use axum::http::Method;
use serde_json::json;
use tests::{Call, PASSWORD, Person, ServerProcess, gzip, memory, scratch, zstd};

/// How much more memory than before a server may ever have needed, in KiB: several times the largest body, and a small
/// part of what a bomb holds.
const MAX_GROWTH_KIB: u64 = 120_000;

/// What a block of Zstandard holds at most.
const BLOCK_BYTES: u32 = 128 * 1_024;

/// A frame of `blocks` blocks, of four bytes each, that repeat a space (RFC 8878 §3.1.1). Its window, which is how much
/// whoever inflates it must be able to look back on, has 2^`window_log` bytes.
fn zstd_of_blocks(blocks: u32, window_log: u8) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (window_log - 10) << 3];
    for block in 1..=blocks {
        let (repeating, last) = (1 << 1, u32::from(block == blocks));
        let header = (BLOCK_BYTES << 3) | repeating | last;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(b' ');
    }
    frame
}

/// The most memory that the server has ever had, in KiB.
fn peak(server: &ServerProcess) -> u64 {
    memory(server.id(), "VmHWM")
}

/// A server, and who uses it, once everything has been asked of it that a bomb asks.
async fn warm(folder: &std::path::Path) -> (ServerProcess, Person) {
    let server = ServerProcess::start(folder).await;
    let ada = Person::joins(&server.api, "ada").await;
    let login = json!({ "username": "ada", "password": PASSWORD }).to_string().into_bytes();
    for (kind, body) in [("application/gzip", gzip(&login)), ("application/zstd", zstd(&login))] {
        let honest = Call::new(Method::POST, "/api/auth/login").body(kind, body);
        server.api.send(honest).await.expect(200);
    }
    (server, ada)
}

/// Sends `bomb` wherever a body is read, with and without a token, and sees that it was not inflated.
async fn goes_off_nowhere(kind: &str, bomb: &[u8]) {
    let folder = scratch();
    let (server, ada) = warm(folder.path()).await;
    let before = peak(&server);
    for path in ["/api/auth/login", "/api/auth/signup", "/api/sync/upload", "/api/sync/conflicts/c/resolve"] {
        let answer = ada.sends(Call::new(Method::POST, path).body(kind, bomb)).await;
        assert!([400, 413].contains(&answer.status), "{} at {path}", answer.status);
    }
    let grown = peak(&server) - before;
    assert!(grown < MAX_GROWTH_KIB, "the server grew by {grown} KiB for {} bytes of {kind}", bomb.len());
    assert!(ada.is_let_in().await, "the server goes on");
}

/// Three gigabytes of spaces, in three hundred members.
#[tokio::test]
async fn a_bomb_of_gzip_does_not_go_off() {
    let member = gzip(&vec![b' '; 10_000_000]);
    goes_off_nowhere("application/gzip", &member.repeat(300)).await;
}

/// Gigabytes in frames of an ordinary window, by a compressor and by hand.
#[tokio::test]
async fn a_bomb_of_zstd_does_not_go_off() {
    let frame = zstd(&vec![b' '; 10_000_000]);
    goes_off_nowhere("application/zstd", &frame.repeat(300)).await;
    goes_off_nowhere("application/zstd", &zstd_of_blocks(100_000, 20)).await;
}

/// A frame may claim that its end refers to its beginning, however far away. Whoever believes it keeps all that it has
/// inflated until then. These eight kilobytes hold no more than 256 MB, so that the test harms nobody where they go off.
#[tokio::test]
async fn a_bomb_of_zstd_with_a_wide_window_does_not_go_off() {
    for window_log in [27, 30, 41] {
        goes_off_nowhere("application/zstd", &zstd_of_blocks(2_000, window_log)).await;
    }
}
