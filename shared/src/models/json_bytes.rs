use std::io::{Result, Write};

use serde::Serialize;

/// Returns the length of `value` as JSON, in bytes, without writing it anywhere.
pub fn json_bytes(value: &impl Serialize) -> usize {
    let mut length = Length(0);
    // Nothing that is measured has keys other than strings.
    serde_json::to_writer(&mut length, value).map_or(usize::MAX, |()| length.0)
}

struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.0 += bytes.len();
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
