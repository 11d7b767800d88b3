//! Transport to a libSQL database in a local file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use libsql::Connection;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{BatchError, MAX_RESPONSE_BYTES, Maintenance, Statement, StatementResult, Transport, Value};
use crate::private_files;
use crate::telemetry::{Dependency, instrumented};

/// Maximum number of concurrent readers. Machines that run the local server have about two cores, so more would only wait.
const READERS: usize = 4;

/// Time limit for waiting for another process that writes to the same file, such as a purge.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Time limit for waiting for a free connection. Well below the timeouts of clients.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of the parameters of a statement that stays prepared, in bytes. A prepared statement keeps its parameters in
/// memory.
const MAX_CACHED_PARAMETER_BYTES: usize = 64 * 1024;

/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>).
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_CONSTRAINT: i32 = 19;

/// A libSQL database in a file, with one connection that writes and several that read.
///
/// Calls of libSQL on a file block, so every transaction runs on a thread for blocking work.
pub struct FileDatabase {
    writer: Pool,
    readers: Pool,
}

impl FileDatabase {
    /// Opens the database at `path`. Creates the file if it does not exist.
    ///
    /// # Errors
    /// When the file cannot be opened or is not a database.
    pub async fn open(path: &Path) -> Result<Self, BatchError> {
        let fault = |error: std::io::Error| BatchError::Unavailable(format!("{}: {error}", path.display()));
        private_files::create_file(path).map_err(fault)?;
        let database = libsql::Builder::new_local(path).build().await.map_err(|error| batch_error(&error))?;
        let mut connections = Vec::with_capacity(READERS + 1);
        for _ in 0..=READERS {
            connections.push(connect(&database).await?);
        }
        let readers = connections.split_off(1);
        Ok(Self { writer: Pool::new(connections), readers: Pool::new(readers) })
    }
}

async fn connect(database: &libsql::Database) -> Result<Connection, BatchError> {
    let connection = database.connect().map_err(|error| batch_error(&error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| batch_error(&error))?;
    // FULL: an acknowledged upload survives a power failure, not only a crash. Deleted data is overwritten.
    for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA secure_delete = ON"] {
        run_command(&connection, pragma).await?;
    }
    Ok(connection)
}

async fn run_command(connection: &Connection, command: &str) -> Result<(), BatchError> {
    let mut rows = connection.query(command, ()).await.map_err(|error| batch_error(&error))?;
    while rows.next().await.map_err(|error| batch_error(&error))?.is_some() {}
    Ok(())
}

/// A connection and its prepared statements. Most statements take longer to prepare than to run.
struct PreparedConnection {
    connection: Connection,
    prepared: HashMap<&'static str, libsql::Statement>,
}

impl PreparedConnection {
    fn new(connection: Connection) -> Self {
        Self { connection, prepared: HashMap::new() }
    }

    /// Takes the prepared statement `sql` from the cache, or prepares it. [`cache`](Self::cache) puts it back.
    async fn take_prepared(&mut self, sql: &'static str) -> Result<libsql::Statement, libsql::Error> {
        match self.prepared.remove(sql) {
            Some(statement) => Ok(statement),
            None => self.connection.prepare(sql).await,
        }
    }

    fn cache(&mut self, sql: &'static str, statement: libsql::Statement) {
        statement.reset();
        self.prepared.insert(sql, statement);
    }
}

/// A pool of connections. Each runs one transaction at a time.
struct Pool {
    free: Arc<Mutex<Vec<PreparedConnection>>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    fn new(connections: Vec<Connection>) -> Self {
        let free: Vec<_> = connections.into_iter().map(PreparedConnection::new).collect();
        Self { permits: Arc::new(Semaphore::new(free.len())), free: Arc::new(Mutex::new(free)) }
    }

    /// Runs `work` on a free connection. Work that has started runs to its end, even if the caller stops waiting.
    async fn run<T, F>(&self, work: F) -> Result<T, BatchError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&mut PreparedConnection) -> Result<T, BatchError> + Send + 'static,
    {
        let unavailable = |reason: &str| BatchError::Unavailable(reason.to_owned());
        let permit = timeout(QUEUE_TIMEOUT, Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| unavailable("no connection became free in time"))?;
        let permit = permit.map_err(|_| unavailable("the pool is closed"))?;
        let free = Arc::clone(&self.free);
        let runtime = Handle::current();
        let task = tokio::task::spawn_blocking(move || {
            let mut connection = lock(&free).pop().ok_or_else(|| unavailable("no connection is free"))?;
            let result = runtime.block_on(work(&mut connection));
            lock(&free).push(connection);
            drop(permit);
            result
        });
        task.await.map_err(|_| BatchError::Refused("a statement panicked".to_owned()))?
    }
}

fn lock(free: &Mutex<Vec<PreparedConnection>>) -> std::sync::MutexGuard<'_, Vec<PreparedConnection>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Transport for FileDatabase {
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        let read =
            async move |connection: &mut PreparedConnection| transact(connection, "BEGIN DEFERRED", statements).await;
        instrumented(Dependency::Libsql, name, self.readers.run(read)).await
    }

    async fn write(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        let write =
            async move |connection: &mut PreparedConnection| transact(connection, "BEGIN IMMEDIATE", statements).await;
        instrumented(Dependency::Libsql, name, self.writer.run(write)).await
    }

    async fn script(&self, name: &'static str, script: String) -> Result<(), BatchError> {
        let run = async move |connection: &mut PreparedConnection| {
            let rows = connection.connection.execute_transactional_batch(&script).await;
            rows.map(drop).map_err(|error| batch_error(&error))
        };
        instrumented(Dependency::Libsql, name, self.writer.run(run)).await
    }

    async fn maintain(&self, task: Maintenance) -> Result<(), BatchError> {
        let (name, command) = match task {
            // It waits for readers as long as the busy timeout. If they are slower, the log is emptied after the next purge.
            Maintenance::TruncateLog => ("truncate_log", "PRAGMA wal_checkpoint(TRUNCATE)"),
            Maintenance::Rewrite => ("rewrite", "VACUUM"),
        };
        let run = async move |connection: &mut PreparedConnection| run_command(&connection.connection, command).await;
        instrumented(Dependency::Libsql, name, self.writer.run(run)).await
    }
}

async fn transact(
    connection: &mut PreparedConnection,
    begin: &'static str,
    statements: Vec<Statement>,
) -> Result<Vec<StatementResult>, BatchError> {
    connection.connection.execute(begin, ()).await.map_err(|error| batch_error(&error))?;
    let result = match run_all(connection, statements).await {
        Ok(results) => {
            connection.connection.execute("COMMIT", ()).await.map(|_| results).map_err(|error| batch_error(&error))
        }
        Err(error) => Err(error),
    };
    if result.is_err() && !connection.connection.is_autocommit() {
        // A failed rollback cannot be handled. The caller receives the error that caused the rollback.
        connection.connection.execute("ROLLBACK", ()).await.ok();
    }
    result
}

async fn run_all(
    connection: &mut PreparedConnection,
    statements: Vec<Statement>,
) -> Result<Vec<StatementResult>, BatchError> {
    let mut results = Vec::with_capacity(statements.len());
    let mut bytes_left = MAX_RESPONSE_BYTES;
    for (index, statement) in statements.into_iter().enumerate() {
        let result = run(connection, statement, &mut bytes_left).await;
        results.push(result.map_err(|error| match error {
            BatchError::Constraint { reason, .. } => BatchError::Constraint { statement: index, reason },
            other => other,
        })?);
    }
    Ok(results)
}

/// Runs a statement and subtracts the size of its rows from `bytes_left`.
///
/// # Errors
/// [`BatchError::TooLarge`] if the rows exceed `bytes_left`.
async fn run(
    connection: &mut PreparedConnection,
    statement: Statement,
    bytes_left: &mut usize,
) -> Result<StatementResult, BatchError> {
    let bytes: usize = statement.parameters.iter().map(Value::bytes).sum();
    let parameters: Vec<libsql::Value> = statement.parameters.into_iter().map(to_libsql).collect();
    let prepared = connection.take_prepared(statement.sql).await.map_err(|error| batch_error(&error))?;
    let result = fetch(&prepared, parameters, bytes_left).await?;
    if bytes <= MAX_CACHED_PARAMETER_BYTES {
        connection.cache(statement.sql, prepared);
    }
    Ok(result)
}

async fn fetch(
    prepared: &libsql::Statement,
    parameters: Vec<libsql::Value>,
    bytes_left: &mut usize,
) -> Result<StatementResult, BatchError> {
    let failed = |error| batch_error(&error);
    if prepared.column_count() == 0 {
        let written = prepared.execute(parameters).await.map_err(failed)?;
        return Ok(StatementResult { rows: Vec::new(), written: written as u64 });
    }
    let mut rows = prepared.query(parameters).await.map_err(failed)?;
    let columns = rows.column_count();
    let mut all = Vec::new();
    while let Some(row) = rows.next().await.map_err(failed)? {
        let values = (0..columns).map(|column| Ok(from_libsql(row.get_value(column).map_err(failed)?)));
        let values = values.collect::<Result<Vec<Value>, BatchError>>()?;
        let bytes: usize = values.iter().map(Value::bytes).sum();
        *bytes_left = bytes_left.checked_sub(bytes).ok_or(BatchError::TooLarge)?;
        all.push(values);
    }
    Ok(StatementResult { rows: all, written: 0 })
}

fn to_libsql(value: Value) -> libsql::Value {
    match value {
        Value::Null => libsql::Value::Null,
        Value::Integer(number) => libsql::Value::Integer(number),
        Value::Text(text) => libsql::Value::Text(text),
    }
}

fn from_libsql(value: libsql::Value) -> Value {
    match value {
        libsql::Value::Integer(number) => Value::Integer(number),
        libsql::Value::Text(text) => Value::Text(text),
        // The tables are STRICT and contain neither reals nor blobs. As NULL they make a row corrupt.
        libsql::Value::Null | libsql::Value::Real(_) | libsql::Value::Blob(_) => Value::Null,
    }
}

fn batch_error(error: &libsql::Error) -> BatchError {
    let reason = error.to_string();
    match error {
        libsql::Error::SqliteFailure(code, _) if code & 0xff == SQLITE_CONSTRAINT => {
            BatchError::Constraint { statement: 0, reason }
        }
        libsql::Error::SqliteFailure(code, _) if [SQLITE_BUSY, SQLITE_LOCKED].contains(&(code & 0xff)) => {
            BatchError::Unavailable(reason)
        }
        libsql::Error::ConnectionFailed(_) => BatchError::Unavailable(reason),
        _ => BatchError::Refused(reason),
    }
}
