use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Email, EmailError, Mailer};
use crate::clock::{Clock, Random, random_bytes};
use crate::private_files;

/// Writes emails as files, for local use: each as a `.txt` file with its headers, and an `.html` file.
pub struct FolderMailer {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl FolderMailer {
    /// Creates a mailer that writes to `folder`. The folder is created with the first email.
    pub fn new(folder: PathBuf, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { folder, clock, random }
    }
}

#[async_trait]
impl Mailer for FolderMailer {
    async fn send(&self, email: &Email) -> Result<(), EmailError> {
        let time = self.clock.now().to_string().replace(':', "-");
        let name = format!("{time}-{}-{}", email.kind.name(), hex::encode(random_bytes::<3>(&*self.random)));
        let text = format!("To: {}\nSubject: {}\n\n{}\n", email.to.as_str(), email.subject, email.text);
        let html = self.folder.join(format!("{name}.html"));
        let file = self.folder.join(format!("{name}.txt"));
        let unavailable = |error: std::io::Error| EmailError::Unavailable(error.to_string());
        private_files::create_own_folder(&self.folder).map_err(unavailable)?;
        private_files::write(&html, email.html.as_bytes()).map_err(unavailable)?;
        private_files::write(&file, text.as_bytes()).map_err(unavailable)?;
        tracing::info!(file = %file.display(), "email written");
        Ok(())
    }
}
