//! Statements that only look like they carry a credential.

use super::{Case, check};

/// Statements that name columns, tables and functions.
#[rustfmt::skip]
pub(super) const NAMES: &[Case] = &[
    ("select", "SELECT password FROM users"),
    ("select qualified", "SELECT u.password, u.token FROM users u WHERE u.id = 3"),
    ("is null", "SELECT * FROM users u WHERE u.password IS NULL"),
    ("self compare", "SELECT * FROM users a JOIN old b ON a.password = b.password"),
    ("double-quoted compare", "SELECT * FROM users a JOIN old b ON a.\"password\" = b.\"password\""),
    ("table", "SELECT * FROM password_resets WHERE user_id = 'abc'"),
    ("tokens table", "SELECT * FROM users u JOIN tokens t ON t.user_id = u.id WHERE u.name = 'bob'"),
    ("catalogue", "SELECT rolname, rolpassword FROM pg_authid"),
    ("create table", "CREATE TABLE users (id int, password VARCHAR(255) NOT NULL DEFAULT '', token text, api_key text)"),
    ("create table MySQL", "CREATE TABLE u (`password` varchar(60) COMMENT 'bcrypt hash', `secret` blob)"),
    ("add column", "ALTER TABLE users ADD COLUMN password_hash text, ADD reset_token uuid"),
    ("drop column", "ALTER TABLE users DROP COLUMN password"),
    ("rename column", "ALTER TABLE users RENAME COLUMN password TO password_hash"),
    ("index", "CREATE UNIQUE INDEX tokens_token_key ON tokens (token)"),
    ("grant", "GRANT SELECT (password) ON users TO app"),
    ("grant to account", "GRANT SELECT ON app.tokens TO 'bob'@'localhost'"),
    ("primary key", "CREATE TABLE t (id int PRIMARY KEY, key text, sort_key text DEFAULT 'a1')"),
    ("comment on column", "COMMENT ON COLUMN users.password IS 'hash of the password'"),
    ("comment with colon", "COMMENT ON COLUMN users.api_key IS 'API key: sha256 of the key'"),
    ("show variables", "SHOW VARIABLES LIKE 'validate_password%'"),
    ("check", "CREATE TABLE t (token text CHECK (token <> ''), type text CHECK (type IN ('token', 'password')))"),
    ("enum", "CREATE TYPE auth_kind AS ENUM ('password', 'token', 'oauth')"),
    ("copy", "COPY users (id, password) TO STDOUT"),
    ("excluded", "INSERT INTO t (id, token) VALUES ($1, $2) ON CONFLICT (token) DO UPDATE SET token = EXCLUDED.token"),
    ("view", "CREATE VIEW v AS SELECT id, password IS NOT NULL AS has_password FROM users"),
    ("length", "SELECT length(password) FROM users WHERE length(password) = 60"),
    ("order", "SELECT id FROM users ORDER BY password_changed_at DESC"),
    ("alias", "SELECT 'password' AS label, 'token' AS kind"),
    ("column alias", "SELECT password AS \"Password\", token AS 'Token' FROM users"),
];

/// Parameters and stand-ins where the secret would be.
#[rustfmt::skip]
pub(super) const PARAMETERS: &[Case] = &[
    ("numbered", "UPDATE users SET password_hash = $1 WHERE id = $2"),
    ("question mark", "INSERT INTO tokens (token) VALUES (?)"),
    ("named", "UPDATE users SET password = :pw WHERE id = :id"),
    ("at", "UPDATE users SET password = @pw WHERE name = 'bob'"),
    ("role numbered", "ALTER ROLE bob PASSWORD $1"),
    ("role named", "ALTER ROLE bob PASSWORD :pw VALID UNTIL '2026-01-01'"),
    ("psql variable", "ALTER ROLE bob PASSWORD :'pw'"),
    ("null", "ALTER ROLE bob PASSWORD NULL VALID UNTIL 'infinity'"),
    ("template", "ALTER ROLE bob PASSWORD '${PW}'"),
    ("double braces", "CREATE USER bob PASSWORD '{{ password }}'"),
    ("angle brackets", "CREATE USER bob IDENTIFIED BY '<password>'"),
    ("mask", "CREATE USER bob IDENTIFIED BY '***'"),
    ("example", "CREATE USER bob WITH PASSWORD 'your_password_here'"),
    ("random", "CREATE USER bob IDENTIFIED BY RANDOM PASSWORD"),
    ("expire", "ALTER USER bob PASSWORD EXPIRE INTERVAL 90 DAY"),
    ("require current", "ALTER USER bob PASSWORD REQUIRE CURRENT PASSWORD HISTORY 5"),
    ("retain", "ALTER USER bob IDENTIFIED BY ? RETAIN CURRENT PASSWORD"),
    ("set password parameter", "SET PASSWORD FOR 'bob'@'%' = ?"),
    ("crypt parameter", "UPDATE users SET password = crypt($1, gen_salt('bf', 8))"),
    ("crypt compare", "SELECT id FROM users WHERE email = $1 AND password = crypt($2, password)"),
    ("digest parameter", "UPDATE users SET password = encode(digest($1, 'sha256'), 'hex')"),
    ("encrypt parameter", "SELECT pgp_sym_decrypt(ssn, $1) FROM people"),
    ("encrypt setting", "SELECT pgp_sym_decrypt(ssn, current_setting('app.key')) FROM people"),
    ("AES variable", "SELECT AES_DECRYPT(card, @key) FROM cards"),
    ("empty", "UPDATE users SET password = '' WHERE deleted"),
    ("null column", "UPDATE users SET password = NULL, token = DEFAULT"),
    ("redacted", "UPDATE users SET password = 'REDACTED'"),
    ("like", "SELECT * FROM users WHERE password LIKE '$2b$%'"),
    ("like wildcard", "SELECT * FROM users WHERE password LIKE '%'"),
    ("generated", "UPDATE t SET token = encode(gen_random_bytes(32), 'hex') WHERE kind = 'api1'"),
    ("uuid", "INSERT INTO tokens (id, token) VALUES (7, gen_random_uuid()::text)"),
    ("format", "EXECUTE format('ALTER ROLE %I PASSWORD %L', name, pw)"),
    ("concatenation", "EXECUTE 'ALTER ROLE bob PASSWORD ' || quote_literal(pw)"),
    ("subquery", "SELECT dblink('host=db user=bob password=' || pw, 'SELECT 1')"),
    ("SQLCipher parameter", "PRAGMA key = ?"),
    ("attach plain", "ATTACH DATABASE 'plain.db' AS plain KEY ''"),
    ("user mapping without password", "CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'x')"),
    ("IAM role", "COPY t FROM 's3://b/k' CREDENTIALS 'aws_iam_role=arn:aws:iam::123456789012:role/copy1'"),
    ("plugin of the system", "CREATE USER bob IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'"),
    ("pam", "CREATE USER bob IDENTIFIED WITH auth_pam AS 'mysql1'"),
    ("insert hash", "INSERT INTO users (name, password_hash) VALUES ('bob', '$2b$12$KIXlQ1Z9v0u8m3Yh5u5W8e0p1vQ6b2C3d4E5f6G7h8I9j0K1l2M3n')"),
    ("seed hash", "INSERT INTO users (name, password_hash) VALUES ('bob', 'hashed_pw_1')"),
    ("insert null", "INSERT INTO users (name, password) VALUES ('bob', NULL), ('al', DEFAULT)"),
    ("insert mask", "INSERT INTO users (name, password) VALUES ('bob', '********')"),
];

/// Literals near a secret's name that are something else.
#[rustfmt::skip]
pub(super) const LITERALS: &[Case] = &[
    ("type", "SELECT * FROM t WHERE type='token' AND status='active'"),
    ("token type", "SELECT * FROM t WHERE token_type = 'bearer'"),
    ("token symbol", "SELECT * FROM trades WHERE base_token = 'ETH' AND token = 'USDC'"),
    ("column name", "SELECT * FROM information_schema.columns WHERE column_name = 'password'"),
    ("ilike", "SELECT * FROM t WHERE name ILIKE '%password%'"),
    ("secret santa", "SELECT * FROM events WHERE title = 'secret santa 2024'"),
    ("event names", "SELECT * FROM log WHERE event IN ('password_reset', 'token_refresh1')"),
    ("branch of a condition", "SELECT CASE WHEN token = '' THEN 'empty1' END FROM t"),
    ("format arguments", "SELECT format('ALTER ROLE %I PASSWORD %L VALID UNTIL %L', 'bob1', $1, '2025-01-01')"),
    ("not like", "SELECT * FROM t WHERE token NOT LIKE 'a1'"),
    ("lexicon", "SELECT * FROM nlp WHERE token IN ('the', 'of', 'don''t')"),
    ("translations", "INSERT INTO translations (key, value) VALUES ('login.password', 'Password')"),
    ("after null", "SELECT * FROM users WHERE password IS NULL AND name = 'hunter2'"),
    ("before", "SELECT * FROM users WHERE name = 'hunter2' AND password IS NOT NULL"),
    ("order of columns", "INSERT INTO users (name, password, mail) VALUES ('hunter2', $1, 'b0b@example.com')"),
    ("count", "UPDATE stats SET token_count = 1500, model = 'gpt4all'"),
    ("max tokens", "SELECT * FROM models WHERE max_tokens = 4096"),
    ("policy", "SELECT * FROM settings WHERE password_policy = 'strong8'"),
    ("json path", "SELECT data->>'password', data->'x1' FROM t WHERE data->>'name' = 'b0b1'"),
    ("json key test", "SELECT * FROM t WHERE data ? 'password'"),
    ("audit", "INSERT INTO audit (action, field) VALUES ('update1', 'password')"),
    ("permissions", "INSERT INTO permissions (name, description) VALUES ('password', 'can reset the password')"),
    ("flags", "INSERT INTO settings (name, value) VALUES ('show_password', 'true'), ('password_min', '8')"),
    ("setting in update", "UPDATE settings SET value = 'dark1' WHERE name = 'theme'"),
    ("warehouse key", "SELECT * FROM dim WHERE account_key = 'ACC-17' AND session_key = 'S1'"),
    ("key", "SELECT * FROM kv WHERE key = 'abc123' AND cache_key = 'user:42'"),
    ("masking", "SELECT regexp_replace(dsn, 'password=[^&]*', 'password=***') FROM t"),
    ("masking URL", "SELECT regexp_replace(url, 'postgres://([^:]+):([^@]+)@', 'postgres://\\1:***@') FROM t"),
    ("replace", "SELECT replace(body, 'password', '***') FROM t"),
    ("raise", "RAISE NOTICE 'password=%', pw"),
    ("mask column", "SELECT id, '***' AS password FROM users"),
    ("label column", "SELECT 'hidden' AS token FROM users"),
    ("until", "ALTER ROLE bob VALID UNTIL '2026-01-01'"),
    ("identified in text", "EXPLAIN SELECT 'rows identified by id1' FROM t"),
    ("pass flag", "SELECT * FROM tests WHERE pass = 'Y' AND passed = 'yes1'"),
    ("secret flag", "SELECT * FROM docs WHERE secret = 'no' AND is_secret = 'y1'"),
    ("default word", "CREATE TABLE t (token text DEFAULT 'none', password text DEFAULT '')"),
    ("hash test", "SELECT md5('hello')"),
    ("hash compare", "SELECT * FROM users WHERE md5(password) = '5f4dcc3b5aa765d61d8327deb882cf99'"),
    ("text search", "SELECT to_tsvector('english', 'reset your password')"),
    ("plural", "SELECT 'passwords' AS t, count(*) FROM passwords"),
    ("tags", "SELECT * FROM posts WHERE tags @> ARRAY['password', 'token1']"),
];

/// The MongoDB shell.
#[rustfmt::skip]
pub(super) const MONGO: &[Case] = &[
    ("projection", "db.users.find({}, {password: 0, token: 1})"),
    ("exists", "db.users.find({password: {$exists: true}})"),
    ("ne empty", "db.users.find({password: {$ne: \"\"}})"),
    ("prompt", "db.createUser({user: \"a\", pwd: passwordPrompt(), roles: [\"readWrite\"]})"),
    ("auth prompt", "db.auth(\"a\", passwordPrompt())"),
    ("auth name only", "db.auth(\"a\")"),
    ("variable", "db.users.updateOne({_id: id}, {$set: {password: newHash}})"),
    ("unset", "db.users.updateMany({}, {$unset: {password: \"\"}})"),
    ("rename", "db.users.updateOne({_id: 1}, {$rename: {\"password\": \"passwordHash1\"}})"),
    ("schema", "db.createCollection(\"u\", {validator: {$jsonSchema: {properties: {password: {bsonType: \"string\", description: \"must be a string\"}}}}})"),
    ("index", "db.tokens.createIndex({token: 1}, {unique: true, name: \"token_1\"})"),
    ("hashed index", "db.tokens.createIndex({token: \"hashed\"})"),
    ("field path", "db.users.aggregate([{$project: {password: \"$user.pwd\"}}])"),
    ("regex", "db.users.find({password: {$regex: \"^\\\\$2b\"}})"),
    ("environment", "db.auth(\"a\", process.env.MONGO_PASSWORD)"),
    ("collection", "db.password_resets.find({user: \"b0b1\"})"),
    ("get user", "db.getUser(\"b0b1\", {showCredentials: true})"),
];

/// Everyday statements without anything of the kind.
#[rustfmt::skip]
pub(super) const EVERYDAY: &[Case] = &[
    ("report", "SELECT date_trunc('day', created_at) AS d, count(*) FROM orders WHERE status = 'paid' GROUP BY 1 ORDER BY 1"),
    ("cte", "WITH t AS (SELECT * FROM a) SELECT * FROM t JOIN keys k ON k.id = t.key_id"),
    ("insert", "INSERT INTO users (name, email) VALUES ('bob', 'bob@example.com')"),
    ("update", "UPDATE users SET name = 'O''Brien' WHERE id = 7"),
    ("window", "SELECT row_number() OVER (PARTITION BY user_id ORDER BY ts) FROM events"),
    ("dollar", "CREATE FUNCTION f() RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql"),
    ("pragma", "PRAGMA foreign_keys = ON; PRAGMA table_info('tokens')"),
    ("pragma encoding", "PRAGMA encoding = 'UTF-8'"),
    ("attach", "ATTACH DATABASE 'other.db' AS other"),
    ("create role", "CREATE ROLE reader NOLOGIN"),
    ("create user", "CREATE USER bob"),
    ("server", "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'db', dbname 'app', port '5432')"),
    ("set", "SET search_path TO 'app1', public"),
    ("mongo", "db.orders.find({status: \"paid\", total: {$gt: 100}}).sort({_id: -1})"),
    ("cast", "SELECT '2024-01-01'::date, now() AT TIME ZONE 'UTC'"),
    ("json", "SELECT jsonb_build_object('name', 'b0b', 'age', 3)"),
];

#[test]
fn names() {
    check("query", NAMES, false);
    check("description", NAMES, false);
}

#[test]
fn parameters() {
    check("query", PARAMETERS, false);
    check("description", PARAMETERS, false);
}

#[test]
fn literals() {
    check("query", LITERALS, false);
    check("description", LITERALS, false);
}

#[test]
fn mongo() {
    check("query", MONGO, false);
    check("description", MONGO, false);
}

#[test]
fn everyday() {
    check("query", EVERYDAY, false);
    check("description", EVERYDAY, false);
}
