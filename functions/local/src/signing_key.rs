use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use shared::clock::{Random, random_bytes};
use shared::private_files;

/// File of the key in the data folder.
const FILE: &str = "jwt.key";

/// The key file can be neither read nor written.
#[derive(Debug, thiserror::Error)]
#[error("DATA_DIR must be a folder that can be written to, but {} cannot be used: {reason}; choose another folder with --data", path.display())]
pub struct KeyFileError {
    path: PathBuf,
    reason: Error,
}

/// Returns the signing key of access tokens in `folder`, which is generated at the first start: tokens survive a restart, and
/// no two installations share a key. Safe in processes that start at the same time.
///
/// # Errors
/// When the file can be neither written nor read.
pub(crate) fn ensure_signing_key(
    folder: &Path,
    random: &dyn Random,
) -> std::result::Result<SecretString, KeyFileError> {
    let path = folder.join(FILE);
    ensure(folder, &path, random).map_err(|reason| KeyFileError { path, reason })
}

/// Returns the signing key in `folder`; `None` if none was generated there.
///
/// # Errors
/// When there is a file that cannot be read.
pub(crate) fn read_signing_key(folder: &Path) -> std::result::Result<Option<SecretString>, KeyFileError> {
    let path = folder.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(key) => Ok(Some(SecretString::from(key))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(KeyFileError { path, reason }),
    }
}

fn ensure(folder: &Path, path: &Path, random: &dyn Random) -> Result<SecretString> {
    if !path.exists() {
        private_files::create_folder(folder)?;
        // Written whole under another name first: of two processes one links its file, and both read all of that.
        let draft = folder.join(format!("{FILE}.{}", hex::encode(random_bytes::<4>(random))));
        private_files::write(&draft, hex::encode(random_bytes::<32>(random)).as_bytes())?.sync_all()?;
        let linked = std::fs::hard_link(&draft, path);
        std::fs::remove_file(&draft)?;
        linked.or_else(|error| if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    }
    std::fs::read_to_string(path).map(SecretString::from)
}
