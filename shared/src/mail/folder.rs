use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Mail, MailError, Mailer};
use crate::clock::{Clock, Random, random_bytes};

/// Writes each mail into a folder as two files, `.txt` (with its headers) and `.html`, for a person to open.
pub struct FolderMailer {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl FolderMailer {
    /// Mails go to `folder`, which is made with the first of them.
    pub fn new(folder: PathBuf, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { folder, clock, random }
    }
}

#[async_trait]
impl Mailer for FolderMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let time = self.clock.now().to_string().replace(':', "-");
        let name = format!("{time}-{}-{}", mail.kind.name(), hex::encode(random_bytes::<3>(&*self.random)));
        let text = format!("To: {}\nSubject: {}\n\n{}\n", mail.to.as_str(), mail.subject, mail.text);
        let html = self.folder.join(format!("{name}.html"));
        let file = self.folder.join(format!("{name}.txt"));
        let fault = |error: std::io::Error| MailError::Unavailable(error.to_string());
        tokio::fs::create_dir_all(&self.folder).await.map_err(fault)?;
        tokio::fs::write(&html, &mail.html).await.map_err(fault)?;
        tokio::fs::write(&file, text).await.map_err(fault)?;
        tracing::info!(file = %file.display(), "mail written");
        Ok(())
    }
}
