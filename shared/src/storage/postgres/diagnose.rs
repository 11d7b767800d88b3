use std::borrow::Cow;

use sqlx::error::DatabaseError;
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::{ACQUIRE_TIMEOUT, PostgresAccounts, message, options};
use crate::storage::Diagnosis;

impl PostgresAccounts {
    /// Connects once, without the pool, which would hide the reason of a failure, and checks that the tables exist.
    ///
    /// # Errors
    /// The reason for which the database cannot be used.
    pub async fn diagnose(&self) -> Result<(), Diagnosis> {
        let url = self.url.get();
        let failed = |reason: String, remedy| Diagnosis::new(&url, reason, remedy);
        let options = options(&url, self.root_certificates.as_deref())
            .map_err(|error| failed(error.to_string(), "correct the URL"))?;
        let check = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            sqlx::query("SELECT FROM users LIMIT 1").execute(&mut connection).await?;
            connection.close().await
        };
        match timeout(ACQUIRE_TIMEOUT, check).await {
            Ok(result) => result.map_err(|error| match code(&error).as_deref() {
                Some(UNDEFINED_TABLE) => Diagnosis::without_tables(&url, message(&error)),
                code => failed(message(&error), remedy(code)),
            }),
            Err(_) => Err(failed("no response in time".to_owned(), UNREACHABLE)),
        }
    }
}

const UNREACHABLE: &str = "start the server, or correct the address";

const UNDEFINED_TABLE: &str = "42P01";

fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(DatabaseError::code)
}

/// Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn remedy(code: Option<&str>) -> &'static str {
    match code {
        Some(code) if code.starts_with("28") => "correct the user and the password in the URL",
        Some("3D000") => "create the database, or correct its name",
        Some(_) => "see the log of PostgreSQL",
        None => UNREACHABLE,
    }
}
