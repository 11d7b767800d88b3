use serde::{Deserialize, Serialize};

use super::filler::Filler;
use crate::{fast_gzip, zstd};

/// How the body of a request is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Packing {
    /// Compression.
    pub format: Format,
    /// Whether `Content-Encoding` names the compression, instead of `Content-Type`.
    pub by_encoding: bool,
    /// Number of members or frames that share the content.
    pub parts: usize,
    /// What is repeated before the content, and how often.
    pub filler: Option<(Filler, usize)>,
    /// Number of bytes that are missing at the end.
    pub cut: usize,
}

/// Compression of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// None.
    #[default]
    Plain,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Packing {
    /// Whether nothing is done to the content.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the bytes of a body with this content.
    pub fn pack(&self, content: &[u8]) -> Vec<u8> {
        let compress = match self.format {
            Format::Plain => return self.shortened(content.to_vec()),
            Format::Gzip => fast_gzip,
            Format::Zstd => zstd,
        };
        let filler = self.filler.filter(|(filler, _)| filler.format() == self.format);
        let mut packed = filler.map_or_else(Vec::new, |(filler, count)| filler.repeat(count));
        let parts = self.parts.max(1);
        for part in content.chunks(content.len().div_ceil(parts).max(1)) {
            packed.extend(compress(part));
        }
        self.shortened(packed)
    }

    fn shortened(&self, mut packed: Vec<u8>) -> Vec<u8> {
        packed.truncate(packed.len().saturating_sub(self.cut));
        packed
    }

    /// Returns the headers that describe the body.
    pub fn headers(&self) -> Vec<(&'static str, &'static str)> {
        let (media_type, encoding) = match self.format {
            Format::Plain => return vec![("content-type", "application/json")],
            Format::Gzip => ("application/gzip", "gzip"),
            Format::Zstd => ("application/zstd", "zstd"),
        };
        if self.by_encoding {
            vec![("content-type", "application/json"), ("content-encoding", encoding)]
        } else {
            vec![("content-type", media_type)]
        }
    }
}
