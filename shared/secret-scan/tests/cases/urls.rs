//! URLs and connection strings.

use super::{Case, check};

#[rustfmt::skip]
pub(super) const REFUSED: &[Case] = &[
    ("postgres", "postgres://bob:hunter2@db.example.com:5432/app"),
    ("postgresql", "postgresql://bob:hunter2@localhost/app?sslmode=require"),
    ("in text", "Use mysql://root:toor@10.0.0.5/shop for the nightly job"),
    ("mongodb+srv", "mongodb+srv://admin:S3cret@cluster0.abcde.mongodb.net/test?retryWrites=true"),
    ("replica set", "mongodb://u:pw1@h1:27017,h2:27017/db?replicaSet=rs0"),
    ("redis without user", "redis://:hunter2@cache:6379/0"),
    ("amqp", "amqp://guest:guest@rabbit:5672/vhost"),
    ("jdbc prefix", "jdbc:postgresql://bob:hunter2@db/app"),
    ("percent-encoded", "postgres://bob:p%40ss%2Fword@db/app"),
    ("unescaped at sign", "postgres://bob:p@ss@db/app"),
    ("unescaped slash", "postgres://bob:pa/ss@db/app"),
    ("IPv6 host", "postgres://bob:hunter2@[::1]:5432/app"),
    ("https", "https://bob:hunter2@artifacts.example.com/simple"),
    ("ftp", "ftp://bob:hunter2@files.example.com"),
    ("word password", "postgres://postgres:password@localhost:5432/postgres"),
    ("query parameter", "postgres://db.example.com/app?user=bob&password=hunter2"),
    ("first query parameter", "jdbc:mysql://db/app?password=secret&user=root"),
    ("sslpassword", "postgresql://db/app?sslmode=verify-full&sslpassword=abcdef"),
    ("api_key", "https://api.example.com/v1/rows?api_key=abc123def456"),
    ("access_token", "https://graph.example.com/me?access_token=EAAB123xyz"),
    ("token", "https://example.com/hook?token=abcdef123456"),
    ("JDBC SQL Server", "jdbc:sqlserver://db:1433;databaseName=app;user=sa;password=Str0ng!Pass"),
    ("ADO.NET", "Server=db;Database=app;User Id=sa;Password=secret;"),
    ("ADO.NET short", "Data Source=db;Uid=sa;Pwd=letmein"),
    ("libpq", "host=db.example.com port=5432 dbname=app user=bob password=hunter2"),
    ("libpq with quotes", "host=db user=bob password='hunter 2'"),
    ("libpq with spaces", "host = db user = bob password = secret"),
    ("Go MySQL", "root:hunter2@tcp(db:3306)/app?parseTime=true"),
    ("Go MySQL socket", "root:hunter2@unix(/tmp/mysql.sock)/app"),
    ("no scheme", "root:hunter2@10.0.0.5:3306"),
    ("no scheme, database", "admin:Passw0rd@db.example.com/app"),
    ("Oracle thin", "jdbc:oracle:thin:scott/tiger@db:1521:orcl"),
    ("presigned URL", "https://bucket.s3.amazonaws.com/a.csv?X-Amz-Expires=300&X-Amz-Signature=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    ("Azure SAS", "https://acc.blob.core.windows.net/c/a.csv?sv=2022-11-02&sig=Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA%3D%3D"),
    ("Azure storage", "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=;EndpointSuffix=core.windows.net"),
    ("template with default", "postgres://bob:${PW:-hunter2}@db/app"),
    ("sqlalchemy", "postgresql+psycopg2://scott:tiger@localhost/test"),
    ("clickhouse", "clickhouse://default:pa55@ch:9000/db"),
    ("snowflake", "snowflake://bob:hunter2@account/db"),
];

#[rustfmt::skip]
pub(super) const PASSED: &[Case] = &[
    ("no user", "postgres://localhost/db"),
    ("user only", "postgres://bob@db.example.com:5432/app"),
    ("port and at sign in path", "http://host:8080/path@x"),
    ("domain, port and at sign", "https://registry.example.com:8443/@scope/pkg"),
    ("at sign in path", "https://medium.com/@bob/article"),
    ("mail", "mailto:bob@example.com"),
    ("mail with name", "email:bob@example.com"),
    ("git", "git@github.com:org/repo.git"),
    ("ssh", "ssh://git@github.com/org/repo"),
    ("scp", "deploy@bastion.example.com:/var/log"),
    ("empty password", "postgres://user:@host/db"),
    ("shell variable", "postgres://user:${PASSWORD}@host/db"),
    ("bare variable", "postgres://user:$PGPASSWORD@host/db"),
    ("parameter", "postgres://user:$1@host/db"),
    ("angle brackets", "postgres://user:<password>@host/db"),
    ("mask", "postgres://user:***@host/db"),
    ("mask of x", "postgres://user:xxxxx@host/db"),
    ("square brackets", "postgresql://postgres:[YOUR-PASSWORD]@db.abc.supabase.co:5432/postgres"),
    ("braces", "mongodb+srv://{user}:{password}@cluster0.mongodb.net"),
    ("template with spaces", "postgres://user:{{ db_password }}@host/db"),
    ("capital letters", "postgres://USER:PASSWORD@HOST:5432/DB"),
    ("example", "mysql://user:your_password@host/db"),
    ("escaped brackets", "postgres://user:%3Cpassword%3E@host/db"),
    ("IPv6 without login", "http://[fe80::1]:8080/a@b"),
    ("two addresses", "See http://a.example.com:80/ or write to bob@example.com"),
    ("empty parameter", "postgres://host/db?user=bob&password="),
    ("parameter with a placeholder", "postgres://host/db?password=${PW}"),
    ("parameter with a mask", "postgres://host/db?user=bob&password=****&sslmode=require"),
    ("page token", "https://api.example.com/v1?page_token=abc123def"),
    ("word in the path", "https://docs.example.com/password/reset?topic=token"),
    ("libpq without password", "host=db port=5432 dbname=app user=bob sslmode=require"),
    ("ADO.NET without password", "Server=db;Database=app;Integrated Security=true;"),
    ("libpq with key path", "host=db user=bob sslkey=/home/bob/client.key"),
    ("time and place", "Meeting 10:30@office"),
    ("MySQL account", "'root'@'localhost'"),
    ("sqlite", "sqlite:///var/data/app.db"),
    ("file", "file:///home/bob/data.csv"),
    ("jdbc", "jdbc:postgresql://db.example.com:5432/app?user=bob&ssl=true"),
    ("format", "postgres://%s:%s@%s/%s"),
    ("npm", "npm:@scope/pkg@1.2.3"),
    ("docker image", "registry.example.com:5000/app/api@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
];

#[test]
fn refused() {
    check("description", REFUSED, true);
}

#[test]
fn passed() {
    check("description", PASSED, false);
}
