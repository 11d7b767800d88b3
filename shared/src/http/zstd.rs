//! Zstandard decompression (RFC 8878) with bounded memory. A decoder allocates the window that the frame declares, and `ruzstd`
//! does not limit it.

use std::io;

use ruzstd::decoding::StreamingDecoder;

use super::members::{Decoder, damaged};

/// Maximum window size in bytes. Compressors use at most 8 MB by default (RFC 8878 §3.1.1.1.2). The window of a single-segment
/// frame is its whole content.
const MAX_WINDOW: u64 = 16 * 1024 * 1024;

/// Returns a decoder of the first frame of `rest` (§3).
///
/// # Errors
/// When no frame begins there, or its window is larger than [`MAX_WINDOW`].
pub(super) fn decoder<'a>(rest: &'a mut &'_ [u8]) -> io::Result<Decoder<'a>> {
    let window = window(rest).ok_or_else(|| damaged("no frame begins here".to_owned()))?;
    if window > MAX_WINDOW {
        return Err(damaged(format!("a window of {window} bytes is larger than {MAX_WINDOW}")));
    }
    let decoder = StreamingDecoder::new(rest).map_err(|error| damaged(error.to_string()))?;
    Ok(Box::new(decoder))
}

/// Returns the window size that the first frame of `bytes` declares (§3.1.1.1).
fn window(bytes: &[u8]) -> Option<u64> {
    let (descriptor, rest) = bytes.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let (exponent, mantissa) = (u64::from(rest.first()? >> 3), u64::from(rest.first()? & 7));
        let base = 1 << (10 + exponent);
        return Some(base + base / 8 * mantissa);
    }
    let id_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_bytes = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let mut size = [0; 8];
    size[..size_bytes].copy_from_slice(rest.get(id_bytes..id_bytes + size_bytes)?);
    // A two-byte size is stored less 256.
    Some(u64::from_le_bytes(size).saturating_add(if size_bytes == 2 { 256 } else { 0 }))
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;
    use crate::http::members;

    fn inflate(bytes: &[u8], most: u64) -> io::Result<Vec<u8>> {
        members::inflate(bytes, most, decoder)
    }

    /// Returns a frame with this window descriptor, whose blocks repeat one byte 128 K times.
    fn bomb(window: u8, blocks: usize) -> Vec<u8> {
        let block = |is_last: bool| {
            // Size, type (repeated byte), last-block flag.
            let header = (128_u32 << 10) << 3 | 1 << 1 | u32::from(is_last);
            [header.to_le_bytes()[0], header.to_le_bytes()[1], header.to_le_bytes()[2], b'x']
        };
        let blocks = (1..=blocks).flat_map(|place| block(place == blocks));
        [0x28, 0xb5, 0x2f, 0xfd, 0x00, window].into_iter().chain(blocks).collect()
    }

    #[test]
    fn compressed_frames_are_decompressed() {
        let text = b"SELECT 1;".repeat(10_000);
        let frame = compress_to_vec(text.as_slice(), CompressionLevel::Fastest);
        assert_eq!(inflate(&frame, 1 << 20).unwrap(), text);
        assert_eq!(inflate(&[frame.clone(), frame].concat(), 1 << 20).unwrap().len(), 2 * text.len());
        let wide = bomb(13 << 3, 2);
        assert_eq!(inflate(&wide, 1 << 20).unwrap(), b"x".repeat(256 << 10), "a window of 8 MB is usual");
    }

    #[test]
    fn a_frame_with_a_huge_window_is_refused() {
        // 2^41 bytes; 32 MB; a single segment that declares a terabyte.
        let single = [&[0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &(1_u64 << 40).to_le_bytes(), &bomb(0, 4)[6..]].concat();
        for frame in [bomb(0xff, 100), bomb(15 << 3, 100), single] {
            let error = inflate(&frame, 1 << 20).unwrap_err();
            assert!(error.to_string().contains("window"), "{error}");
        }
    }

    #[test]
    fn damaged_input_is_an_error() {
        let frame = compress_to_vec(b"SELECT 1;".as_slice(), CompressionLevel::Fastest);
        for length in 0..frame.len() {
            assert!(length == 0 || inflate(&frame[..length], 1_000).is_err(), "{length} bytes of {}", frame.len());
        }
        assert!(inflate(b"no frame", 1_000).is_err());
    }
}
