use serde::{Deserialize, Serialize};

use super::Format;
use crate::{gzip, zstd};

/// Part of a compressed body that inflates to almost nothing, but that the decompressor has to set itself up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filler {
    /// gzip members without content.
    Members,
    /// Stored blocks of DEFLATE without content (RFC 1951 §3.2.4).
    StoredBlocks,
    /// Blocks with fixed Huffman codes without content (§3.2.6).
    FixedBlocks,
    /// Blocks that define Huffman codes, without content (§3.2.7).
    DynamicBlocks,
    /// Zstandard frames without content.
    Frames,
    /// Skippable frames without content (RFC 8878 §3.1.2).
    SkippableFrames,
    /// Raw blocks without content (§3.1.1.2).
    RawBlocks,
    /// Blocks of one space.
    RleBlocks,
    /// Compressed blocks of one NUL in a Huffman code with the longest codes (§4.2.1).
    HuffmanBlocks,
    /// Compressed blocks of four spaces whose sequence uses the predefined distributions (§3.1.1.3.2).
    SequenceBlocks,
}

impl Filler {
    /// All fillers.
    pub const ALL: [Self; 10] = [
        Self::Members,
        Self::StoredBlocks,
        Self::FixedBlocks,
        Self::DynamicBlocks,
        Self::Frames,
        Self::SkippableFrames,
        Self::RawBlocks,
        Self::RleBlocks,
        Self::HuffmanBlocks,
        Self::SequenceBlocks,
    ];

    /// The compression that it belongs to.
    pub const fn format(self) -> Format {
        match self {
            Self::Members | Self::StoredBlocks | Self::FixedBlocks | Self::DynamicBlocks => Format::Gzip,
            _ => Format::Zstd,
        }
    }

    /// Returns `count` of them: whole members or frames, so that others can follow.
    pub fn repeat(self, count: usize) -> Vec<u8> {
        match self {
            Self::Members => gzip(b"").repeat(count),
            Self::Frames => zstd(b"").repeat(count),
            Self::SkippableFrames => [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0].repeat(count),
            Self::StoredBlocks | Self::FixedBlocks | Self::DynamicBlocks => self.member(count),
            _ => self.frame(count),
        }
    }

    /// Number of them that fit in `bytes` bytes, at least one.
    pub fn fitting(self, bytes: usize) -> usize {
        let eight = self.repeat(16).len() - self.repeat(8).len();
        (bytes.saturating_sub(64) * 8 / eight).max(1)
    }

    /// A gzip member of at least `count` blocks without content, and an empty stored block as the last one.
    fn member(self, count: usize) -> Vec<u8> {
        // Eight blocks end with a whole byte.
        let mut eight = Bits::default();
        for _ in 0..8 {
            match self {
                Self::StoredBlocks => eight.stored_block(false),
                Self::FixedBlocks => eight.push(0b01 << 1, 3 + 7),
                _ => eight.dynamic_block(),
            }
        }
        let mut last = Bits::default();
        last.stored_block(true);
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        // CRC-32 and length of nothing.
        [&header[..], &eight.bytes.repeat(count.div_ceil(8)), &last.bytes, &[0; 8]].concat()
    }

    /// A Zstandard frame of `count` blocks, and an empty raw block as the last one.
    fn frame(self, count: usize) -> Vec<u8> {
        let (kind, size, content): (u32, u32, &[u8]) = match self {
            Self::RawBlocks => (0, 0, b""),
            Self::RleBlocks => (1, 1, b" "),
            Self::HuffmanBlocks => (2, HUFFMAN_BLOCK.len() as u32, &HUFFMAN_BLOCK),
            _ => (2, SEQUENCE_BLOCK.len() as u32, &SEQUENCE_BLOCK),
        };
        let header = size << 3 | kind << 1;
        let block = [&header.to_le_bytes()[..3], content].concat();
        // No checksum, and a window of 128 KB.
        [&[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3][..], &block.repeat(count), &[1, 0, 0]].concat()
    }
}

/// Literals alone: one NUL in a code with a table of 2,048 entries.
///
/// The header has 2 bits for the type (compressed), 2 for the format (one stream), 10 for the inflated size (1) and 10 for the
/// compressed size (8). The code follows as 11 weights of four bits, 11 down to 1, which imply another 1. Then come the end
/// mark with the code of the NUL, and the number of sequences.
const HUFFMAN_BLOCK: [u8; 12] = [0x12, 0x00, 0x02, 127 + 11, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10, 0b11, 0];

/// A space as a raw literal, and one sequence that repeats it three times: the end mark, and the states 2, 0 and 0.
const SEQUENCE_BLOCK: [u8; 7] = [1 << 3, b' ', 1, 0, 0x00, 0x10, 0x02];

/// Writer of bits, the lowest first (RFC 1951 §3.1.1).
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Number of bits used of the last byte; 0 if it is full.
    used: u32,
}

impl Bits {
    fn push(&mut self, bits: u64, count: u32) {
        for index in 0..count {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((bits >> index & 1) as u8) << self.used;
            }
            self.used = (self.used + 1) % 8;
        }
    }

    fn stored_block(&mut self, is_last: bool) {
        self.push(u64::from(is_last), 3);
        self.used = 0;
        self.bytes.extend([0, 0, 0xff, 0xff]);
    }

    /// A block whose only code is that of its end.
    fn dynamic_block(&mut self) {
        // Type, 257 literals, 1 distance, 18 code lengths.
        self.push(0b10 << 1, 3);
        self.push(0, 5);
        self.push(0, 5);
        self.push(18 - 4, 4);
        // In the order 16, 17, 18, 0, 8, …, 1: one bit for 18 and for 1.
        for place in 0..18 {
            self.push(u64::from(place == 2 || place == 17), 3);
        }
        // Codes: 1 is `0`, 18 is `1`. 138 and 118 zeros, then 1 for the end of the block, and 1 for a distance.
        for zeros in [138, 118] {
            self.push(1, 1);
            self.push(zeros - 11, 7);
        }
        self.push(0, 2);
        // The end of the block.
        self.push(0, 1);
    }
}
