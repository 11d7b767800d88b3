//! gzip decompression (RFC 1952) with bounded work. Each member and each block of DEFLATE (RFC 1951) makes a decoder build its
//! tables anew, even if it has no content, and `flate2` does not count them.

use std::io::{Error, ErrorKind, Result};

use flate2::Crc;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::body::MAX_BLOCKS;

/// Maximum number of members in a body.
const MAX_MEMBERS: usize = 1_000;

/// Size of the output buffer at first, in bytes.
const FIRST_OUTPUT: usize = 64 * 1024;

/// Bits of the flags in a member's header (RFC 1952 §2.3.1).
const HEADER_CHECKSUM: u8 = 1 << 1;
const EXTRA_FIELD: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b111 << 5;

/// Decompresses the members of `bytes` in turn (§2.2), until the output has `most` bytes.
pub(super) fn inflate(bytes: &[u8], most: usize) -> Result<Vec<u8>> {
    let mut inflater = Inflater { rest: bytes, output: Vec::new(), length: 0, most, blocks: 0 };
    for _ in 0..MAX_MEMBERS {
        if inflater.rest.is_empty() || inflater.length >= most {
            break;
        }
        inflater.member()?;
    }
    if !inflater.rest.is_empty() && inflater.length < most {
        return Err(damaged(format!("there are more than {MAX_MEMBERS} members")));
    }
    inflater.output.truncate(inflater.length);
    Ok(inflater.output)
}

fn damaged(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, why.into())
}

fn cut_off() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "the stream ends too early")
}

struct Inflater<'b> {
    /// Bytes that are not read yet.
    rest: &'b [u8],
    /// Inflated bytes, and room for more.
    output: Vec<u8>,
    /// Number of inflated bytes.
    length: usize,
    /// Number of inflated bytes at which to stop.
    most: usize,
    /// Number of blocks so far.
    blocks: usize,
}

impl<'b> Inflater<'b> {
    /// Reads one member, or the part of it that the output has room for.
    fn member(&mut self) -> Result<()> {
        self.header()?;
        let start = self.length;
        if !self.content()? {
            return Ok(());
        }
        let trailer = self.take(8)?;
        let mut checksum = Crc::new();
        checksum.update(&self.output[start..self.length]);
        let expected = [checksum.sum().to_le_bytes(), checksum.amount().to_le_bytes()].concat();
        if trailer == expected { Ok(()) } else { Err(damaged("a checksum or a length does not match")) }
    }

    /// Reads the blocks of a member. Returns whether the last one was read; otherwise the output is full.
    fn content(&mut self) -> Result<bool> {
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
        let mut decoder = Box::<DecompressorOxide>::default();
        loop {
            let (status, read, written) = decompress(&mut decoder, self.rest, &mut self.output, self.length, flags);
            self.rest = self.rest.get(read..).unwrap_or_default();
            self.length += written;
            match status {
                TINFLStatus::Done => return Ok(true),
                TINFLStatus::BlockBoundary => self.count_block()?,
                TINFLStatus::HasMoreOutput if self.output.len() >= self.most => return Ok(false),
                TINFLStatus::HasMoreOutput => {
                    let room = (self.output.len() * 2).clamp(FIRST_OUTPUT.min(self.most), self.most);
                    self.output.resize(room, 0);
                }
                TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => return Err(cut_off()),
                _ => return Err(damaged("it is not valid DEFLATE")),
            }
        }
    }

    fn count_block(&mut self) -> Result<()> {
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS { Err(damaged(format!("there are more than {MAX_BLOCKS} blocks"))) } else { Ok(()) }
    }

    /// Skips the header of a member.
    fn header(&mut self) -> Result<()> {
        let fixed = self.take(10)?;
        let flags = fixed[3];
        if !fixed.starts_with(&[0x1f, 0x8b, 8]) || flags & RESERVED != 0 {
            return Err(damaged("no member begins here"));
        }
        if flags & EXTRA_FIELD != 0 {
            let length = self.take(2)?;
            self.take(usize::from(u16::from_le_bytes([length[0], length[1]])))?;
        }
        for text in [NAME, COMMENT] {
            if flags & text != 0 {
                let end = self.rest.iter().position(|byte| *byte == 0).ok_or_else(cut_off)?;
                self.take(end + 1)?;
            }
        }
        if flags & HEADER_CHECKSUM != 0 {
            self.take(2)?;
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder =
            GzBuilder::new().filename("name").comment("text").extra("more").write(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A member of `blocks` blocks with fixed codes and without content, ten bits each.
    fn empty_blocks(blocks: usize) -> Vec<u8> {
        let four = [0b0000_0010, 0b0000_1000, 0b0010_0000, 0b1000_0000, 0];
        let last = [0b011, 0];
        [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &four.repeat(blocks / 4), &last, &[0; 8]].concat()
    }

    #[test]
    fn members_are_decompressed_in_turn() {
        let text = b"SELECT 1;".repeat(100_000);
        let member = gzip(&text);
        assert_eq!(inflate(&member, 1 << 20).unwrap(), text);
        assert_eq!(inflate(&[gzip(b"SELECT "), gzip(b""), gzip(b"1;")].concat(), 100).unwrap(), b"SELECT 1;");
        assert_eq!(inflate(&[], 100).unwrap(), b"");
        for level in 0..=9 {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&text).unwrap();
            assert_eq!(inflate(&encoder.finish().unwrap(), 1 << 20).unwrap(), text, "level {level}");
        }
    }

    #[test]
    fn output_members_and_blocks_are_bounded() {
        assert_eq!(inflate(&gzip(&vec![b'x'; 5_000_000]), 1_000).unwrap().len(), 1_000);
        assert_eq!(inflate(&gzip(b"").repeat(MAX_MEMBERS), 1_000).unwrap(), b"");
        assert!(inflate(&gzip(b"").repeat(MAX_MEMBERS + 1), 1_000).is_err());
        assert_eq!(inflate(&empty_blocks(MAX_BLOCKS), 1_000).unwrap(), b"");
        let error = inflate(&empty_blocks(MAX_BLOCKS + 4), 1_000).unwrap_err();
        assert!(error.to_string().contains("blocks"), "{error}");
    }

    #[test]
    fn damaged_input_is_an_error() {
        let member = gzip(&b"SELECT 1;".repeat(100));
        for length in 1..member.len() {
            assert!(inflate(&member[..length], 1 << 20).is_err(), "{length} bytes of {}", member.len());
        }
        for place in [0, 1, 2, member.len() - 1, member.len() - 5] {
            let mut damaged = member.clone();
            damaged[place] ^= 0x80;
            assert!(inflate(&damaged, 1 << 20).is_err(), "byte {place}");
        }
        assert!(inflate(&[member, b"more".to_vec()].concat(), 1 << 20).is_err());
    }
}
