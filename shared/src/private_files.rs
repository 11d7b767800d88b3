//! Folders and files that other users of the machine must not read.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

/// Creates `folder`, and the folders above it that are missing, for their owner alone. Leaves a folder that exists as it is.
///
/// # Errors
/// If a folder cannot be created, or `folder` is a file.
pub fn create_folder(folder: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Creates `folder` as [`create_folder`] does, and takes it away from other users if it exists.
///
/// # Errors
/// If the folder cannot be created or changed.
pub fn create_own_folder(folder: &Path) -> Result<()> {
    create_folder(folder)?;
    restrict(folder, 0o700)
}

/// Creates an empty file at `path` unless there is one. Takes it away from other users, and so the logs that SQLite keeps beside
/// a database.
///
/// # Errors
/// If the file cannot be created or changed.
pub fn create_file(path: &Path) -> Result<()> {
    match new_file(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => drop(other?),
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match restrict(&PathBuf::from(name), 0o600) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// Writes a new file at `path`.
///
/// # Errors
/// If there is a file already, or it cannot be written.
pub fn write(path: &Path, content: &[u8]) -> Result<File> {
    let mut file = new_file(path)?;
    file.write_all(content)?;
    Ok(file)
}

fn new_file(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Sets the permissions of `path`, unless others have none already: the file may belong to another user who shares it.
#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> Result<()> {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    let is_open = path.metadata()?.permissions().mode() & 0o077 != 0;
    if is_open { std::fs::set_permissions(path, Permissions::from_mode(mode)) } else { Ok(()) }
}

#[cfg(not(unix))]
fn restrict(path: &Path, _mode: u32) -> Result<()> {
    path.metadata().map(drop)
}
