use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use secrecy::SecretString;
use shared::clock::{Random, random_bytes};

/// The key in `folder` that access tokens are signed with, made at the first start: tokens survive a restart, and no
/// two installations share a key.
///
/// # Errors
/// When the file can be neither made nor read.
pub fn ensure_signing_key(folder: &Path, random: &dyn Random) -> std::io::Result<SecretString> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("jwt.key");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => {
            file.write_all(hex::encode(random_bytes::<32>(random)).as_bytes())?;
            file.sync_all()?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    std::fs::read_to_string(&path).map(SecretString::from)
}
