//! Rows that cannot be decoded: each store reports table, column and key.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use shared::models::{Login, Quota, Timestamp};
use shared::storage::embedded::Embedded;
use shared::storage::libsql::{
    BatchError, FileDatabase, LibsqlSync, SYNC, Statement, StatementResult, Transport, Value, migrate,
};
use shared::storage::postgres::PostgresAccounts;
use shared::storage::redis::RedisSessions;
use shared::storage::{
    Accounts, ConflictFilter, MailTokens, Outbox, Sessions, StoreError, StoreResult, TokenHash, TokenPurpose,
};
use shared::sync::Append;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tests::{PgBouncer, PostgresServer, RedisServer, Sqld};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::accounts::sign_up;
use crate::appends::upload;
use crate::fixtures::{at_second, conflict, content, issue, new_user_id, query};
use crate::servers::database;
use crate::sessions::{LIFETIME, new_session, open};
use crate::store_factory::EmbeddedFolder;
use crate::user_store::{UserStore, changes_since};

/// Asserts that `result` is the error that a row is corrupt.
#[track_caller]
fn assert_corrupt<T>(result: StoreResult<T>, row: (&str, &str, &str)) {
    match result {
        Err(StoreError::Corrupt { table, column, key, .. }) => assert_eq!((table, column, key.as_str()), row),
        Err(other) => panic!("expected a corrupt row, found: {other}"),
        Ok(_) => panic!("expected a corrupt row, found a result"),
    }
}

fn postgres(url: &str) -> PostgresAccounts {
    PostgresAccounts::new(SecretString::from(url).into(), None, 2).expect("the URL is right")
}

/// A migrated database, and a connection that corrupts its rows.
async fn postgres_database() -> (String, PgConnection) {
    let url = PostgresServer::shared().await.database().await;
    postgres(&url).migrate().await.expect("the database is brought up to date");
    let connection = PgConnection::connect(&url).await.expect("the database is there");
    (url, connection)
}

async fn execute(connection: &mut PgConnection, sql: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("the row can be corrupted");
    assert_eq!(done.rows_affected(), 1);
}

#[tokio::test]
async fn postgres_reports_a_user_with_an_undecodable_time() {
    let (url, mut connection) = postgres_database().await;
    let store = postgres(&url);
    let ada = sign_up(&store, "ada").await;
    let id = ada.to_string();
    let login = "ada".parse::<Login>().expect("a short text");
    for time in ["infinity", "-infinity", "0044-03-15 00:00:00+00 BC", "20000-01-01 00:00:00+00"] {
        for column in ["created_at", "email_verified_at"] {
            execute(&mut connection, format!("UPDATE users SET {column} = '{time}'")).await;
            assert_corrupt(store.get(ada).await, ("users", column, &id));
            assert_corrupt(store.find(&login).await, ("users", column, &id));
            execute(&mut connection, format!("UPDATE users SET {column} = '2026-01-01 00:00:00+00'")).await;
        }
    }
    assert!(store.get(ada).await.expect("the row can be decoded again").is_some());
}

#[tokio::test]
async fn postgres_undoes_a_password_reset_whose_user_cannot_be_decoded() {
    let (url, mut connection) = postgres_database().await;
    let store = postgres(&url);
    let ada = sign_up(&store, "ada").await;
    let token = TokenHash::of(b"token");
    assert!(issue(&store, ada, TokenPurpose::ResetPassword, &token, at_second(1_000)).await);
    execute(&mut connection, "UPDATE users SET created_at = 'infinity'".to_owned()).await;
    let reset = store.reset_password(&token, &"at_second hash".into(), at_second(1)).await;
    assert_corrupt(reset, ("users", "created_at", &ada.to_string()));
    execute(&mut connection, "UPDATE users SET created_at = '2026-01-01 00:00:00+00'".to_owned()).await;
    let account = store.get(ada).await.expect("the store answers").expect("the account is there");
    assert_eq!(account.password_hash.expose_secret(), "first hash");
    let owner = store.owner(&token, TokenPurpose::ResetPassword, at_second(1)).await.expect("the store answers");
    assert_eq!(owner, Some(ada), "the token still works");
}

#[tokio::test]
async fn postgres_reports_a_corrupt_email_once_and_goes_on() {
    let (direct, mut connection) = postgres_database().await;
    let pooler = PgBouncer::in_front_of(&direct).await;
    let sign_ups = postgres(&direct);
    for (round, url) in [direct.clone(), pooler.url()].into_iter().enumerate() {
        let store = postgres(&url);
        let [bad, good] = ["bad", "good"].map(|name| format!("{name}{round}"));
        let [bad, good] = [sign_up(&sign_ups, &bad).await, sign_up(&sign_ups, &good).await];
        let key = format!("{bad}/verify_email");
        for (column, value, before) in [("queued_at", "'infinity'", "'2026-01-01'"), ("attempts", "-7", "0")] {
            let set = |value: &str| {
                format!("UPDATE outbox SET {column} = {value}, due_at = '1999-01-01' WHERE user_id = '{bad}'")
            };
            execute(&mut connection, set(value)).await;
            assert_corrupt(store.claim(at_second(2), at_second(60)).await, ("outbox", column, &key));
            execute(&mut connection, set(before)).await;
        }
        execute(&mut connection, format!("UPDATE outbox SET queued_at = 'infinity' WHERE user_id = '{bad}'")).await;
        assert_corrupt(store.claim(at_second(2), at_second(60)).await, ("outbox", "queued_at", &key));
        let next = store.claim(at_second(2), at_second(60)).await.expect("the store writes");
        assert_eq!(next.map(|mail| mail.user), Some(good), "the corrupt row blocks no other");
    }
}

/// Sends a command to a Redis server.
async fn command(server: &RedisServer, words: &[&str]) {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await.expect("the server is there");
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut response = [0];
    stream.read_exact(&mut response).await.expect("the server responds");
    assert!([b'+', b':'].contains(&response[0]), "the command failed");
}

/// A Redis server and its store.
async fn redis_server() -> (RedisServer, RedisSessions) {
    let server = RedisServer::start().await;
    let store = RedisSessions::new(SecretString::from(server.url()).into()).expect("the URL is right");
    (server, store)
}

#[tokio::test]
async fn redis_reports_a_corrupt_session() {
    let (server, store) = redis_server().await;
    let user = new_user_id();
    let session = open(&store, user, "token", 1).await;
    let key = format!("{user}/{}", session.id);
    let [expires, seen] = [at_second(LIFETIME).micros(), at_second(1).micros()];
    for (column, text) in [
        ("expires_at", "nonsense".to_owned()),
        ("last_seen_at", format!("{expires} - {seen}")),
        ("created_at", format!("{expires} {seen} -")),
        ("details", format!("{expires} {seen} {seen} -")),
        ("details", format!("{expires} {seen} {seen}")),
    ] {
        command(&server, &["HSET", &format!("sessions:{{{user}}}"), &session.id.to_string(), &text]).await;
        let row = ("sessions", column, key.as_str());
        assert_corrupt(store.authenticate(user, session.id, None, at_second(2)).await, row);
        assert_corrupt(store.list(user, at_second(2)).await, row);
        let (presented, next) = (TokenHash::of(b"token"), TokenHash::of(b"next"));
        assert_corrupt(store.rotate(&presented, &next, at_second(2 * LIFETIME), at_second(2)).await, row);
        if column != "details" {
            assert_corrupt(store.open(&new_session(user, "other", 2)).await, row);
        }
    }
}

#[tokio::test]
async fn redis_reports_a_session_without_an_id() {
    let (server, store) = redis_server().await;
    let user = new_user_id();
    let session = open(&store, user, "token", 1).await;
    let sessions = format!("sessions:{{{user}}}");
    command(&server, &["HSET", &sessions, "no id", "nonsense"]).await;
    assert_corrupt(store.list(user, at_second(2)).await, ("sessions", "id", &user.to_string()));
    assert_corrupt(store.open(&new_session(user, "other", 2)).await, ("sessions", "id", &user.to_string()));
    command(&server, &["HDEL", &sessions, "no id"]).await;
    let listed = store.list(user, at_second(2)).await.expect("the store answers");
    assert!(listed.iter().any(|listed| listed.id == session.id), "{listed:?}");
}

#[tokio::test]
async fn redis_reports_a_corrupt_token_without_showing_it() {
    let (server, store) = redis_server().await;
    let user = new_user_id();
    open(&store, user, "token", 1).await;
    let (presented, next) = (TokenHash::of(b"token"), TokenHash::of(b"next"));
    let start = &presented.as_str()[..16];
    for text in ["nonsense", "a b c", "00000000-0000-0000-0000-000000000000 9000000000000000 c"] {
        command(&server, &["SET", &format!("token:{{{user}}}:{}", presented.as_str()), text]).await;
        let rotation = store.rotate(&presented, &next, at_second(2 * LIFETIME), at_second(2)).await;
        assert_corrupt(rotation, ("sessions", "refresh_token", &format!("{user}/{start}")));
    }
    command(&server, &["SET", &format!("owner:{{{}}}", presented.as_str()), "nobody"]).await;
    let rotation = store.rotate(&presented, &next, at_second(2 * LIFETIME), at_second(2)).await;
    assert_corrupt(rotation, ("sessions", "owner", &format!("owner:{start}")));
}

/// The embedded stores, and a connection that corrupts their rows.
async fn embedded(folder: &EmbeddedFolder) -> (Embedded, FileDatabase) {
    let file = folder.path().join(Embedded::FILE);
    let store = folder.embedded().await;
    (store, FileDatabase::open(&file).await.expect("the file opens"))
}

async fn script(database: &dyn Transport, script: &str) {
    database.script("corrupt", script.to_owned()).await.expect("the row can be corrupted");
}

#[tokio::test]
async fn the_embedded_stores_report_a_corrupt_row() {
    let folder = EmbeddedFolder::new();
    let (store, file) = embedded(&folder).await;
    let ada = sign_up(&store, "ada").await;
    script(&file, "UPDATE outbox SET attempts = -7").await;
    assert_corrupt(store.claim(at_second(2), at_second(60)).await, ("outbox", "attempts", &ada.to_string()));
    script(&file, "UPDATE users SET id = 'no id'").await;
    let login = "ada".parse::<Login>().expect("a short text");
    assert_corrupt(store.find(&login).await, ("users", "id", "no id"));
    let session = open(&store, new_user_id(), "token", 1).await;
    script(&file, "UPDATE sessions SET user_id = 'nobody'").await;
    let rotation =
        store.rotate(&TokenHash::of(b"token"), &TokenHash::of(b"next"), at_second(2 * LIFETIME), at_second(2)).await;
    assert_corrupt(rotation, ("sessions", "user_id", &session.id.to_string()));
}

#[tokio::test]
async fn a_libsql_server_reports_a_corrupt_row() {
    let server = Sqld::start().await;
    let database = Arc::new(database(&server.url()));
    migrate(&*database, SYNC).await.expect("the database is brought up to date");
    let line = UserStore { data: Arc::new(LibsqlSync::new(database.clone())), user: new_user_id() };
    line.write(|draft| draft.put(&query("bad"), content(&query("bad"), "text")).conflict(conflict("c", &query("bad"))))
        .await;
    script(&*database, "UPDATE saved_queries SET tags = 'no list'").await;
    assert_corrupt(line.load(&[&query("bad")]).await, ("saved_queries", "tags", "bad"));
    assert_corrupt(line.data.item(line.user.into(), &query("bad")).await, ("saved_queries", "tags", "bad"));
    assert_corrupt(page(&line).await, ("saved_queries", "tags", "bad"));
    script(&*database, "UPDATE conflicts SET winner = 'nobody'").await;
    assert_corrupt(list(&line).await, ("conflicts", "winner", "c"));
}

async fn page(line: &UserStore) -> StoreResult<shared::storage::Page> {
    line.data.page(line.user.into(), &changes_since(Timestamp::EPOCH)).await
}

async fn list(line: &UserStore) -> StoreResult<shared::storage::ConflictPage> {
    line.data.list(line.user.into(), ConflictFilter::All, None, 10).await
}

/// A database whose results of one call have lost their last column.
struct LossyColumns {
    file: FileDatabase,
    call: &'static str,
    /// Index of the statement that is affected.
    statement: usize,
}

impl LossyColumns {
    fn lose(&self, name: &str, mut results: Vec<StatementResult>) -> Vec<StatementResult> {
        if name == self.call {
            results[self.statement]
                .rows
                .iter_mut()
                .filter_map(|row| row.last_mut())
                .for_each(|last| *last = Value::Null);
        }
        results
    }
}

#[async_trait]
impl Transport for LossyColumns {
    async fn read(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        Ok(self.lose(name, self.file.read(name, statements).await?))
    }

    async fn write(&self, name: &'static str, statements: Vec<Statement>) -> Result<Vec<StatementResult>, BatchError> {
        Ok(self.lose(name, self.file.write(name, statements).await?))
    }

    async fn script(&self, name: &'static str, script: String) -> Result<(), BatchError> {
        self.file.script(name, script).await
    }
}

/// A user with a saved query, a conflict and a history entry, in a database that loses the last column of a result.
async fn lossy_line(folder: &EmbeddedFolder, call: &'static str, statement: usize) -> UserStore {
    let file = FileDatabase::open(&folder.path().join("lossy.db")).await.expect("the file opens");
    migrate(&file, SYNC).await.expect("the database is brought up to date");
    let line = UserStore {
        data: Arc::new(LibsqlSync::new(Arc::new(LossyColumns { file, call, statement }))),
        user: new_user_id(),
    };
    line.write(|draft| draft.put(&query("a"), content(&query("a"), "text")).conflict(conflict("c", &query("a")))).await;
    line
}

#[tokio::test]
async fn no_computed_column_is_read_as_zero() {
    let folder = EmbeddedFolder::new();
    let line = lossy_line(&folder, "page", 5).await;
    assert_corrupt(page(&line).await, ("saved_queries", "has_more", "a"));
    let line = lossy_line(&folder, "list_conflicts", 1).await;
    assert_corrupt(list(&line).await, ("conflicts", "candidates", "c"));
    let line = lossy_line(&folder, "list_conflicts", 2).await;
    assert_corrupt(list(&line).await, ("conflicts", "count", &line.user.to_string()));
    let line = lossy_line(&folder, "append", 7).await;
    let append = Append::from_upload(&upload("laptop", &["h"], "select 1"), Quota::default(), at_second(5))
        .expect("history alone");
    let head = line.data.append(line.user.into(), &append, "test/1", at_second(5)).await;
    assert_corrupt(head, ("sync_heads", "head", &line.user.to_string()));
}
