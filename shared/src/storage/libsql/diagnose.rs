use std::sync::Arc;

use super::hrana::AttemptError;
use super::{Hrana, Statement};
use crate::clock::Random;
use crate::config::TursoConfig;
use crate::storage::Diagnosis;

const HAS_TABLES: &str = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sync_heads'";

/// Asks each database of `config` whether it has the tables.
///
/// # Errors
/// The reason for which the first unusable database cannot be used.
pub async fn diagnose(config: &TursoConfig, random: &Arc<dyn Random>) -> Result<(), Diagnosis> {
    for url in config.databases.iter().map(|database| &database.url) {
        let failed = |reason: String, remedy| Diagnosis::new(url, reason, remedy);
        let database = Hrana::new(url, config.token.clone(), random.clone());
        let database = database.map_err(|error| failed(error.to_string(), "correct the URL"))?;
        let results = database.read_once(vec![Statement::new(HAS_TABLES, [])]).await;
        let results = results.map_err(|AttemptError { error, is_unauthorized, .. }| {
            let remedy =
                if is_unauthorized { "correct TURSO_AUTH_TOKEN" } else { "start the server, or correct the address" };
            failed(error.to_string(), remedy)
        })?;
        if results.iter().all(|result| result.rows.is_empty()) {
            return Err(Diagnosis::without_tables(url, "it lacks the tables"));
        }
    }
    Ok(())
}
