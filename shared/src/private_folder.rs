//! Folders for data that other users of the machine must not read.

use std::fs::DirBuilder;
use std::io::Result;
use std::path::Path;

/// Creates `folder`, and the folders above it that are missing, for their owner alone. Leaves a folder that exists as it is.
///
/// # Errors
/// If a folder cannot be created, or `folder` is a file.
pub fn create(folder: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
