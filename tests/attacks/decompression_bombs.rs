//! Decompression bombs are rejected without being inflated in memory.

use axum::http::Method;
use serde_json::json;
use tests::{PASSWORD, Request, ServerProcess, TestUser, gzip, process_memory_kib, scratch_dir, zstd};

/// Maximum growth of the server's peak memory, in KiB: several times the largest body, and a small part of a bomb's content.
const MAX_GROWTH_KIB: u64 = 120_000;

/// Maximum content of a Zstandard block, in bytes.
const BLOCK_BYTES: u32 = 128 * 1_024;

/// Creates a frame of `blocks` RLE blocks of four bytes, each of which repeats a space (RFC 8878 §3.1.1). The window, the
/// history that a decompressor must keep, has 2^`window_log` bytes.
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

/// Peak memory of the server, in KiB.
fn peak(server: &ServerProcess) -> u64 {
    process_memory_kib(server.pid(), "VmHWM")
}

/// Starts a server and sends it valid compressed bodies, so that its memory use is stable.
async fn warm_server(folder: &std::path::Path) -> (ServerProcess, TestUser) {
    let server = ServerProcess::start(folder).await;
    let ada = TestUser::sign_up(&server.api, "ada").await;
    let login = json!({ "username": "ada", "password": PASSWORD }).to_string().into_bytes();
    for (media_type, body) in [("application/gzip", gzip(&login)), ("application/zstd", zstd(&login))] {
        let valid = Request::new(Method::POST, "/api/auth/login").body(media_type, body);
        server.api.send(valid).await.expect(200);
    }
    (server, ada)
}

/// Sends `bomb` to routes with and without authentication, and asserts that it is rejected and not inflated.
async fn assert_not_inflated(media_type: &str, bomb: &[u8]) {
    let folder = scratch_dir();
    let (server, ada) = warm_server(folder.path()).await;
    let before = peak(&server);
    for path in ["/api/auth/login", "/api/auth/signup", "/api/sync/upload", "/api/sync/conflicts/c/resolve"] {
        let response = ada.send(Request::new(Method::POST, path).body(media_type, bomb)).await;
        assert!([400, 413].contains(&response.status), "{} at {path}", response.status);
    }
    let growth = peak(&server) - before;
    assert!(growth < MAX_GROWTH_KIB, "the server grew by {growth} KiB for {} bytes of {media_type}", bomb.len());
    assert!(ada.is_authenticated().await, "the server still works");
}

/// Three gigabytes of spaces in 300 gzip members.
#[tokio::test]
async fn gzip_bomb_is_not_inflated() {
    let member = gzip(&vec![b' '; 10_000_000]);
    assert_not_inflated("application/gzip", &member.repeat(300)).await;
}

/// Gigabytes in frames with an ordinary window, by a compressor and handmade.
#[tokio::test]
async fn zstd_bomb_is_not_inflated() {
    let frame = zstd(&vec![b' '; 10_000_000]);
    assert_not_inflated("application/zstd", &frame.repeat(300)).await;
    assert_not_inflated("application/zstd", &zstd_of_blocks(100_000, 20)).await;
}

/// A frame with a large window makes a decompressor keep all content that it has inflated. These eight kilobytes inflate to
/// 256 MB, so that the test is harmless if they are inflated.
#[tokio::test]
async fn zstd_bomb_with_large_window_is_not_inflated() {
    for window_log in [27, 30, 41] {
        assert_not_inflated("application/zstd", &zstd_of_blocks(2_000, window_log)).await;
    }
}
