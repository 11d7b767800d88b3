//! Zstandard decompression (RFC 8878) with bounded memory and work. A decoder allocates the window that the frame declares, and
//! builds tables for each block, even if it has no content. `ruzstd` limits neither.

use std::io::{self, Read};

use ruzstd::decoding::StreamingDecoder;

use super::body::MAX_BLOCKS;

/// Maximum window size in bytes. Compressors use at most 8 MB by default (RFC 8878 §3.1.1.1.2). The window of a single-segment
/// frame is its whole content.
const MAX_WINDOW: u64 = 16 * 1024 * 1024;

/// Maximum number of frames in a body. Even an empty frame costs a decoder.
const MAX_FRAMES: usize = 1_000;

/// Decompresses the frames of `bytes` in turn (§3), until the output has `most` bytes.
pub(super) fn inflate(bytes: &[u8], most: u64) -> io::Result<Vec<u8>> {
    let damaged = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let (mut rest, mut inflated, mut all_blocks) = (bytes, Vec::new(), 0);
    for _ in 0..MAX_FRAMES {
        let room = most.saturating_sub(inflated.len() as u64);
        if rest.is_empty() || room == 0 {
            return Ok(inflated);
        }
        let (window, header_bytes) = header(rest).ok_or_else(|| damaged("no frame begins here".to_owned()))?;
        if window > MAX_WINDOW {
            return Err(damaged(format!("a window of {window} bytes is larger than {MAX_WINDOW}")));
        }
        all_blocks += blocks(rest.get(header_bytes..).unwrap_or_default());
        if all_blocks > MAX_BLOCKS {
            return Err(damaged(format!("there are more than {MAX_BLOCKS} blocks")));
        }
        let decoder = StreamingDecoder::new(&mut rest).map_err(|error| damaged(error.to_string()))?;
        decoder.take(room).read_to_end(&mut inflated)?;
    }
    if rest.is_empty() { Ok(inflated) } else { Err(damaged(format!("there are more than {MAX_FRAMES} frames"))) }
}

/// Returns the window size that the first frame of `bytes` declares, and the size of the frame's header (§3.1.1.1).
fn header(bytes: &[u8]) -> Option<(u64, usize)> {
    let (descriptor, rest) = bytes.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    let id_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_bytes = match descriptor >> 6 {
        0 => usize::from(is_single_segment),
        exponent => 1 << exponent,
    };
    if !is_single_segment {
        let (exponent, mantissa) = (u64::from(rest.first()? >> 3), u64::from(rest.first()? & 7));
        let base = 1 << (10 + exponent);
        return Some((base + base / 8 * mantissa, 5 + 1 + id_bytes + size_bytes));
    }
    let mut size = [0; 8];
    size[..size_bytes].copy_from_slice(rest.get(id_bytes..id_bytes + size_bytes)?);
    // A two-byte size is stored less 256.
    let size = u64::from_le_bytes(size).saturating_add(if size_bytes == 2 { 256 } else { 0 });
    Some((size, 5 + id_bytes + size_bytes))
}

/// Returns the number of blocks at the start of `bytes`, up to the last one of their frame (§3.1.1.2).
fn blocks(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some((header, rest)) = bytes.split_first_chunk::<3>() {
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let (is_last, is_repeated_byte) = (header & 1 != 0, header >> 1 & 3 == 1);
        let size = if is_repeated_byte { 1 } else { (header >> 3) as usize };
        count += 1;
        if is_last {
            break;
        }
        bytes = rest.get(size..).unwrap_or_default();
    }
    count
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

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
    fn output_and_frames_are_bounded() {
        assert_eq!(inflate(&bomb(10 << 3, 1_000), 1_000).unwrap().len(), 1_000);
        let empty = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00];
        assert_eq!(inflate(&empty.repeat(MAX_FRAMES), 1_000).unwrap(), b"");
        assert!(inflate(&empty.repeat(MAX_FRAMES + 1), 1_000).is_err());
        assert_eq!(inflate(&bomb(10 << 3, MAX_BLOCKS), 1_000).unwrap().len(), 1_000);
        let error = inflate(&bomb(10 << 3, MAX_BLOCKS + 1), 1_000).unwrap_err();
        assert!(error.to_string().contains("blocks"), "{error}");
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
