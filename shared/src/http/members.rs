//! Decompression of the members of a gzip body (RFC 1952 §2.2) or the frames of a Zstandard body (RFC 8878 §3), one after the other.

use std::io::{self, Read};

/// Maximum number of members in a body. Even an empty one costs a decoder.
const MAX_MEMBERS: usize = 1_000;

/// Decoder of one member.
pub(super) type Decoder<'a> = Box<dyn Read + 'a>;

/// Decompresses the members of `bytes` in turn, until the output has `most` bytes. `decoder` reads the first member of what is left.
///
/// # Errors
/// When a member is damaged, or there are more than [`MAX_MEMBERS`].
pub(super) fn inflate<'b>(
    bytes: &'b [u8],
    most: u64,
    decoder: impl for<'a> Fn(&'a mut &'b [u8]) -> io::Result<Decoder<'a>>,
) -> io::Result<Vec<u8>> {
    let (mut rest, mut inflated) = (bytes, Vec::new());
    for _ in 0..MAX_MEMBERS {
        let room = most.saturating_sub(inflated.len() as u64);
        if rest.is_empty() || room == 0 {
            return Ok(inflated);
        }
        decoder(&mut rest)?.take(room).read_to_end(&mut inflated)?;
    }
    if rest.is_empty() { Ok(inflated) } else { Err(damaged(format!("there are more than {MAX_MEMBERS} members"))) }
}

/// Error of a body that cannot be decompressed.
pub(super) fn damaged(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::bufread::GzDecoder;

    use super::*;

    fn inflate_gzip(bytes: &[u8], most: u64) -> io::Result<Vec<u8>> {
        inflate(bytes, most, |rest| Ok(Box::new(GzDecoder::new(rest))))
    }

    fn member(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_are_concatenated() {
        let body = [member(b"SELECT "), member(b""), member(b"1")].concat();
        assert_eq!(inflate_gzip(&body, 100).unwrap(), b"SELECT 1");
        assert_eq!(inflate_gzip(&body, 3).unwrap(), b"SEL");
        for end in 1..body.len() {
            let is_whole = [member(b"SELECT ").len(), member(b"SELECT ").len() + member(b"").len()].contains(&end);
            assert_eq!(inflate_gzip(&body[..end], 100).is_ok(), is_whole, "{end} bytes of {}", body.len());
        }
        assert!(inflate_gzip(&[&body, &b"trailing"[..]].concat(), 100).is_err());
    }

    #[test]
    fn members_are_bounded() {
        assert_eq!(inflate_gzip(&member(b"").repeat(MAX_MEMBERS), 100).unwrap(), b"");
        assert!(inflate_gzip(&member(b"").repeat(MAX_MEMBERS + 1), 100).is_err());
        let empty_frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00];
        assert_eq!(inflate(&empty_frame.repeat(MAX_MEMBERS), 100, crate::http::zstd::decoder).unwrap(), b"");
        assert!(inflate(&empty_frame.repeat(MAX_MEMBERS + 1), 100, crate::http::zstd::decoder).is_err());
    }
}
