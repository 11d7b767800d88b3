//! Statements that carry a credential.

use super::{Case, check};

/// Statements that set the password of an account, a server or a database file.
#[rustfmt::skip]
pub(super) const SETS: &[Case] = &[
    ("create user", "CREATE USER bob WITH PASSWORD 'hunter2'"),
    ("create role", "create role app login encrypted password 'hunter2' valid until '2026-01-01'"),
    ("unencrypted", "ALTER ROLE bob UNENCRYPTED PASSWORD 'hunter2';"),
    ("alter user", "ALTER USER bob PASSWORD 'hunter2'"),
    ("hash", "ALTER ROLE bob PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$a2V5:c2VydmVy'"),
    ("md5 hash", "CREATE ROLE bob LOGIN PASSWORD 'md53175bce1d3201d16594cebf9d7eb3f9d'"),
    ("escape string", "ALTER ROLE bob PASSWORD E'hun\\'ter2'"),
    ("dollar quotes", "ALTER ROLE bob PASSWORD $$hunter2$$"),
    ("tagged dollar quotes", "ALTER ROLE bob PASSWORD $pw$hunter2$pw$"),
    ("unicode string", "ALTER ROLE bob PASSWORD U&'hunter2'"),
    ("after other statements", "SELECT 1; INSERT INTO log VALUES ('a'); ALTER ROLE bob PASSWORD 'hunter2'"),
    ("identified by", "CREATE USER 'bob'@'%' IDENTIFIED BY 'hunter2'"),
    ("identified by double quotes", "CREATE USER bob IDENTIFIED BY \"hunter2\""),
    ("identified by password", "GRANT ALL ON *.* TO 'bob'@'localhost' IDENTIFIED BY PASSWORD '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19'"),
    ("identified with by", "ALTER USER 'bob'@'%' IDENTIFIED WITH caching_sha2_password BY 'hunter2'"),
    ("identified with as", "CREATE USER bob IDENTIFIED WITH mysql_native_password AS '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19'"),
    ("identified with quoted plugin", "ALTER USER root@localhost IDENTIFIED WITH 'mysql_native_password' BY 'root'"),
    ("identified via", "CREATE USER bob IDENTIFIED VIA mysql_native_password USING PASSWORD('hunter2')"),
    ("replace", "ALTER USER bob IDENTIFIED BY RANDOM PASSWORD REPLACE 'old'"),
    ("second user", "CREATE USER a IDENTIFIED BY RANDOM PASSWORD, b IDENTIFIED BY 'hunter2'"),
    ("if not exists", "CREATE USER IF NOT EXISTS 'app'@'10.%' IDENTIFIED BY 'Str0ng!Pass' REQUIRE SSL"),
    ("Oracle", "CREATE USER scott IDENTIFIED BY tiger"),
    ("set password", "SET PASSWORD FOR 'bob'@'%' = 'hunter2'"),
    ("set password function", "SET PASSWORD FOR 'bob'@'%' = PASSWORD('hunter2')"),
    ("set own password", "SET PASSWORD = 'hunter2'"),
    ("set password replace", "SET PASSWORD TO RANDOM REPLACE 'old1'"),
    ("change master", "CHANGE MASTER TO MASTER_HOST='m', MASTER_USER='r', MASTER_PASSWORD='hunter2'"),
    ("change source", "CHANGE REPLICATION SOURCE TO SOURCE_HOST='m', SOURCE_PASSWORD = 'hunter2'"),
    ("start replica", "START REPLICA USER='r' PASSWORD='hunter2'"),
    ("user mapping", "CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'x', password 'hunter2')"),
    ("alter user mapping", "ALTER USER MAPPING FOR bob SERVER s OPTIONS (SET password 'hunter2')"),
    ("create server", "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'h', USER 'u', PASSWORD 'hunter2', PORT 3306)"),
    ("subscription", "CREATE SUBSCRIPTION s CONNECTION 'host=db dbname=a user=r password=secret' PUBLICATION p"),
    ("SQLCipher", "PRAGMA key = 'correct horse'"),
    ("SQLCipher raw", "PRAGMA key = \"x'2DD29CA851E7B56E4697B0E1F08507293D761A05CE4D1B628663F411A8086D99'\";"),
    ("SQLCipher call", "pragma rekey('hunter2')"),
    ("attach", "ATTACH DATABASE 'enc.db' AS enc KEY 'hunter2'"),
    ("SQL Server", "CREATE LOGIN bob WITH PASSWORD = N'hunter2', CHECK_POLICY = ON"),
    ("create secret", "CREATE SECRET s (TYPE s3, KEY_ID 'abc', SECRET 'wJalrXUtnFEMIK7MDENG', REGION 'eu')"),
    ("Redshift", "COPY t FROM 's3://b/k' CREDENTIALS 'aws_access_key_id=abc;aws_secret_access_key=wJalrXUtnFEMIK7MDENG'"),
    ("Redshift keys", "COPY t FROM 's3://b/k' ACCESS_KEY_ID 'abc' SECRET_ACCESS_KEY 'wJalrXUtnFEMIK7MDENG'"),
    ("setting", "ALTER DATABASE app SET app.jwt_secret TO 'reallyreallyreallysecret'"),
    ("session setting", "SET SESSION app.api_token = 'abc123def'"),
    ("user variable", "SET @password = 'hunter2'"),
    ("declared", "DECLARE @pw varchar(20) = 'hunter2'"),
    ("changeme", "CREATE USER bob PASSWORD 'changeme'"),
    ("group of options", "ALTER ROLE bob WITH LOGIN CREATEDB PASSWORD 'a b c' CONNECTION LIMIT 3"),
];

/// Literals for columns named as secrets.
#[rustfmt::skip]
pub(super) const COLUMNS: &[Case] = &[
    ("insert", "INSERT INTO users (name, password) VALUES ('bob', 'hunter2')"),
    ("insert second row", "INSERT INTO users (name, password) VALUES ('a', $1), ('bob', 'hunter2')"),
    ("insert quoted columns", "INSERT INTO `users` (`name`, `password`, `x`) VALUES (\"bob\", \"hunter2\", 1)"),
    ("insert double-quoted columns", "INSERT INTO \"users\" (\"name\", \"password\") VALUES ('bob', 'hunter2')"),
    ("insert in schema", "insert into app.users(id,pwd) values(1,'hunter2')"),
    ("insert set", "INSERT INTO users SET name = 'bob', password = 'hunter2'"),
    ("insert select", "INSERT INTO users (name, password) SELECT 'bob', 'hunter2' WHERE NOT EXISTS (SELECT 1)"),
    ("replace into", "REPLACE INTO accounts (login, passwd) VALUES ('bob', 'hunter2')"),
    ("insert hash function", "INSERT INTO users (name, password) VALUES ('bob', md5('hunter2'))"),
    ("insert token", "INSERT INTO api_keys (user_id, api_key) VALUES (7, 'a8f5f167f44f4964e6c998dee827110c')"),
    ("insert from subquery column", "INSERT INTO env (k, v) VALUES ('A', 'postgresql://svc:Sv2!@pg:5432/a')"),
    ("settings table", "INSERT INTO settings (name, value) VALUES ('smtp_password', 'hunter2')"),
    ("settings update", "UPDATE settings SET value = 'hunter2' WHERE name = 'smtp_password'"),
    ("update", "UPDATE users SET password = 'hunter2' WHERE id = 1"),
    ("update qualified", "UPDATE users u SET u.password='hunter2', u.name = 'x'"),
    ("update quoted", "UPDATE \"users\" SET \"password\" = 'hunter2'"),
    ("update brackets", "UPDATE users SET [password] = 'hunter2'"),
    ("update digest", "UPDATE users SET password = encode(digest('hunter2', 'sha256'), 'hex') WHERE id = 1"),
    ("update sha2", "UPDATE users SET password = SHA2('hunter2', 256)"),
    ("update concat", "UPDATE users SET password = CONCAT('hunter', '2')"),
    ("update case", "UPDATE users SET password = CASE id WHEN 1 THEN 'hunter2' ELSE password END"),
    ("update tuple", "UPDATE users SET (name, password) = ('bob', 'hunter2')"),
    ("where", "SELECT * FROM users WHERE password = 'hunter2'"),
    ("where and", "SELECT id FROM users WHERE email = 'a@b.example' AND passwd='letmein'"),
    ("where in", "SELECT * FROM users WHERE password IN ('123456', 'qwerty')"),
    ("where not equal", "SELECT * FROM users WHERE pwd <> 'hunter2'"),
    ("where like a literal", "SELECT * FROM users WHERE password LIKE 'hunter2'"),
    ("where lower", "SELECT * FROM users WHERE lower(password) = 'hunter2'"),
    ("where cast", "SELECT * FROM users WHERE password::text = 'hunter2'"),
    ("where tuple in", "SELECT * FROM users WHERE (name, password) IN (('bob', 'hunter2'))"),
    ("where token", "SELECT * FROM sessions WHERE token = 'a8f5f167f44f4964'"),
    ("delete token", "DELETE FROM sessions s WHERE s.refresh_token = 'a8f5f167-f44f'"),
    ("where api key", "SELECT * FROM clients WHERE api_key = 'live_8f7a6b5c4d3e'"),
    ("number", "UPDATE users SET password = 123456 WHERE id = 2"),
    ("json operator", "SELECT * FROM t WHERE data->>'password' = 'hunter2'"),
    ("json set", "UPDATE t SET data = jsonb_set(data, '{password}', '\"hunter2\"')"),
    ("json set MySQL", "UPDATE t SET data = JSON_SET(data, '$.api_key', 'a8f5f167f44f')"),
    ("json object", "SELECT json_build_object('user', 'bob', 'password', 'hunter2')"),
    ("json literal", "INSERT INTO t (doc) VALUES ('{\"user\":\"bob\",\"password\":\"hunter2\"}')"),
    ("hstore", "SELECT 'user=>bob, password=>hunter2'::hstore"),
    ("alias", "SELECT 'bob' AS name, 'hunter2' AS password"),
    ("default", "CREATE TABLE t (id int, api_key text DEFAULT 'a8f5f167f44f')"),
    ("merge", "MERGE INTO users u USING s ON u.id = s.id WHEN NOT MATCHED THEN INSERT (name, password) VALUES ('bob', 'hunter2')"),
    ("on conflict", "INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET password = 'hunter2'"),
];

/// Functions that take a password or a key.
#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Case] = &[
    ("password", "SELECT PASSWORD('hunter2')"),
    ("crypt", "SELECT crypt('hunter2', gen_salt('bf'))"),
    ("crypt compare", "SELECT * FROM users WHERE password = crypt('hunter2', password)"),
    ("pgp", "SELECT pgp_sym_encrypt(ssn, 'k3y-of-app') FROM people"),
    ("pgp decrypt", "SELECT pgp_sym_decrypt(ssn::bytea, 'correct horse') FROM people"),
    ("AES", "SELECT AES_DECRYPT(card, 'mykey') FROM cards"),
    ("AES nested", "SELECT AES_ENCRYPT('text', UNHEX(SHA2('My passphrase', 512)))"),
    ("hmac", "SELECT hmac(body, 'shared-key', 'sha256') FROM hooks"),
    ("dblink", "SELECT * FROM dblink('host=db user=bob password=secret', 'SELECT 1') AS t(a int)"),
    ("dblink connect", "SELECT dblink_connect('c', 'dbname=app password=hunter2')"),
    ("dblink URL", "SELECT dblink_connect('c', 'postgresql://bob:hunter2@db/app')"),
    ("format", "DO $$ BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', 'bob', 'hunter2'); END $$"),
    ("pgjwt", "SELECT sign('{}', 'my-jwt-secret-32')"),
    ("set_config", "SELECT set_config('app.jwt_secret', 'a8f5f167f44f', false)"),
    ("copy from program", "COPY t FROM PROGRAM 'curl -u bob:hunter2 https://x.example/a.csv'"),
];

/// Credentials inside strings, comments and blocks.
#[rustfmt::skip]
pub(super) const INSIDE: &[Case] = &[
    ("line comment", "-- password: hunter2\nSELECT 1"),
    ("block comment", "SELECT 1 /* pw = S3cret! */"),
    ("hash comment", "SELECT 1 # password=hunter2"),
    ("commented statement", "-- CREATE USER bob PASSWORD 'hunter2';\nSELECT 1"),
    ("URL in comment", "-- run on postgres://bob:hunter2@db/app\nSELECT 1"),
    ("token in comment", "/* token ghp_1234567890abcdefghijABCDEFGHIJ123456 */ SELECT 1"),
    ("do block", "DO $$ BEGIN CREATE ROLE bob LOGIN PASSWORD 'hunter2'; END $$"),
    ("do block with if", "DO $do$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles) THEN CREATE ROLE bob PASSWORD 'hunter2'; END IF; END $do$;"),
    ("execute", "EXECUTE 'ALTER ROLE bob PASSWORD ''hunter2'''"),
    ("prepare", "PREPARE s FROM \"ALTER USER bob IDENTIFIED BY 'hunter2'\""),
    ("function body", "CREATE FUNCTION f() RETURNS void AS $f$ UPDATE users SET password = 'hunter2'; $f$ LANGUAGE sql"),
    ("variable in block", "DO $$ DECLARE v_password text := 'hunter2'; BEGIN NULL; END $$"),
    ("dblink_exec", "SELECT dblink_exec('c', 'ALTER ROLE bob PASSWORD ''hunter2''')"),
    ("executable comment", "CREATE USER bob /*!50706 IDENTIFIED BY 'hunter2' */"),
    ("two-statement comment", "/* old */ SELECT 1; /* ALTER USER x IDENTIFIED BY 'y1' */"),
];

/// The MongoDB shell.
#[rustfmt::skip]
pub(super) const MONGO: &[Case] = &[
    ("createUser", "db.createUser({user: \"a\", pwd: \"hunter2\", roles: [\"readWrite\"]})"),
    ("createUser JSON", "db.createUser({\"user\": \"a\", \"pwd\": \"hunter2\"})"),
    ("createUser single quotes", "use admin\ndb.createUser({ user: 'a', pwd: 'hunter2' })"),
    ("updateUser", "db.updateUser('a', {pwd: 'hunter2'})"),
    ("changeUserPassword", "db.changeUserPassword(\"a\", \"hunter2\")"),
    ("auth", "db.auth(\"a\", \"hunter2\")"),
    ("auth object", "db.auth({user: \"a\", pwd: \"hunter2\"})"),
    ("runCommand", "db.runCommand({createUser: \"a\", pwd: \"hunter2\", roles: []})"),
    ("Mongo", "const c = new Mongo(\"mongodb://a:hunter2@h:27017/admin\")"),
    ("insertOne", "db.users.insertOne({name: \"bob\", password: \"hunter2\"})"),
    ("find", "db.users.find({password: \"hunter2\"})"),
    ("find eq", "db.users.find({password: {$eq: \"hunter2\"}})"),
    ("find in", "db.users.find({password: {$in: [\"hunter2\", \"letmein\"]}})"),
    ("set", "db.users.updateOne({_id: 1}, {$set: {\"profile.password\": \"hunter2\"}})"),
    ("variable", "const password = \"hunter2\"; db.auth(\"a\", password)"),
    ("comment", "// password: hunter2\ndb.users.find()"),
];

/// Odd forms of the same.
#[rustfmt::skip]
pub(super) const FORM: &[Case] = &[
    ("case", "cReAtE uSeR bob pAsSwOrD 'hunter2'"),
    ("white space", "CREATE\n\tUSER bob\nWITH\n\nPASSWORD\n\t'hunter2'"),
    ("comment between", "CREATE USER bob IDENTIFIED/**/BY/* x */'hunter2'"),
    ("line comment between", "ALTER ROLE bob PASSWORD -- new\n 'hunter2'"),
    ("no space", "CREATE USER bob PASSWORD'hunter2'"),
    ("curly quotes", "ALTER ROLE bob PASSWORD ‘hunter2’"),
    ("concatenation", "UPDATE users SET password = 'hun' || 'ter2'"),
    ("unterminated", "ALTER ROLE bob PASSWORD 'hunter2"),
    ("unterminated comment", "SELECT 1 /* password: hunter2"),
    ("leading comment", "-- admin\n/* more */ ALTER ROLE bob PASSWORD 'hunter2'"),
    ("nested comment", "/* a /* b */ c */ ALTER ROLE bob PASSWORD 'hunter2'"),
    ("explain", "EXPLAIN UPDATE users SET password = 'hunter2'"),
    ("backslash string before", "SELECT 'C:\\dir\\'; ALTER ROLE bob PASSWORD 'hunter2'"),
    ("escape clause before", "SELECT * FROM t WHERE a LIKE '%\\%' ESCAPE '\\'; ALTER ROLE bob PASSWORD 'hunter2'"),
    ("escaped quote before", "INSERT INTO t VALUES ('it\\'s'); SET PASSWORD = 'hunter2'"),
    ("brackets", "UPDATE users SET password = ('hunter2')"),
    ("unbalanced", "))) ALTER ROLE bob PASSWORD 'hunter2'"),
];

#[test]
fn sets() {
    check("query", SETS, true);
}

#[test]
fn columns() {
    check("query", COLUMNS, true);
}

#[test]
fn functions() {
    check("query", FUNCTIONS, true);
}

#[test]
fn inside() {
    check("query", INSIDE, true);
}

#[test]
fn mongo() {
    check("query", MONGO, true);
}

#[test]
fn form() {
    check("query", FORM, true);
}
