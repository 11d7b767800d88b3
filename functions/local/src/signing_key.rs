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
    if !path.exists() {
        // Written whole under another name first: of two processes that start at once, one wins and both read all of it.
        let draft = folder.join(format!("jwt.key.{}", hex::encode(random_bytes::<4>(random))));
        write_secret(&draft, &hex::encode(random_bytes::<32>(random)))?;
        let linked = std::fs::hard_link(&draft, &path);
        std::fs::remove_file(&draft)?;
        linked.or_else(|error| if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    }
    std::fs::read_to_string(&path).map(SecretString::from)
}

fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()
}
