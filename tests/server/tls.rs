//! TLS connections to every store, with verified certificates.

use serde_json::json;
use shared::clock::{Clock, SystemClock};
use tests::{
    Certificates, Device, PostgresServer, RedisCluster, RedisServer, Request, ServerProcess, Sqld, saved_query,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_are_reached_over_tls_with_a_trusted_certificate() {
    let certificates = Certificates::generate();
    let (sqld, postgres) = (Sqld::start().await, PostgresServer::start_encrypted(&certificates).await);
    let (_redis, redis_port) = RedisServer::start_encrypted(&certificates).await;
    let authority = certificates.authority().display().to_string();
    let database = postgres.database().await.replace("127.0.0.1", "localhost");
    let settings = [
        ("DATABASE_URL", database.replace("sslmode=disable", &format!("sslmode=verify-full&sslrootcert={authority}"))),
        ("TURSO_DATABASE_URL", format!("libsql://localhost:{}", certificates.start_tls_proxy(sqld.port()).await)),
        ("REDIS_URL", format!("rediss://localhost:{redis_port}")),
        ("SSL_CERT_FILE", authority),
    ];
    let folder = tests::scratch_dir();
    let migrate = std::process::Command::new(ServerProcess::binary())
        .args(["migrate", "--data"])
        .arg(folder.path())
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .output();
    let migrated = migrate.expect("the command runs");
    assert!(migrated.status.success(), "{migrated:?}");

    let environment: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = ServerProcess::start_with(folder.path(), &environment).await;
    server.api.send(Request::get("/ready")).await.expect(200);
    let account = server.api.sign_up("ada").await;
    let mut laptop = Device::new(&server.api, account["token"].as_str().expect("a token"), "laptop");
    laptop.write("saved_query", "q", saved_query("orders", "select 1"), SystemClock.now());
    laptop.sync().await;
    assert_eq!(laptop.visible_data("saved_query", "q").expect("the query is downloaded")["query"], json!("select 1"));

    // The certificate itself, where no file can be named, as in a function.
    let url = settings[0].1.split("&sslrootcert").next().expect("a URL");
    let certificate = std::fs::read_to_string(certificates.authority()).expect("the file is readable");
    let of_file = [("DATABASE_URL", url), ("DATABASE_ROOT_CERTIFICATE", certificate.as_str())];
    let folder = tests::scratch_dir();
    let server = ServerProcess::start_with(folder.path(), &[&environment[1..], &of_file].concat()).await;
    server.api.send(Request::get("/ready")).await.expect(200);

    // A server that does not trust the authority connects to none of the stores.
    for (index, setting) in ["DATABASE_URL", "TURSO_DATABASE_URL", "REDIS_URL"].into_iter().enumerate() {
        let url = settings[index].1.split("&sslrootcert").next().expect("a URL");
        let folder = tests::scratch_dir();
        let server = ServerProcess::start_with(folder.path(), &[(setting, url)]).await;
        server.api.send(Request::get("/ready")).await.expect_error(503, "SERVICE_UNAVAILABLE");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_cluster_is_reached_over_tls_with_a_password() {
    let certificates = Certificates::generate();
    let cluster = RedisCluster::start_encrypted(&certificates, "sesame").await;
    let (url, authority) = (cluster.url(), certificates.authority().display().to_string());
    let trusted = ("SSL_CERT_FILE", authority.as_str());
    let without_password = url.replace(":sesame@", "");
    for (settings, expected) in [
        (vec![("REDIS_URL", url.as_str()), trusted], 200),
        (vec![("REDIS_URL", url.as_str())], 503),
        (vec![("REDIS_URL", without_password.as_str()), trusted], 503),
    ] {
        let folder = tests::scratch_dir();
        let server = ServerProcess::start_with(folder.path(), &settings).await;
        server.api.send(Request::get("/ready")).await.expect(expected);
        if expected == 200 {
            // Each user has a slot of its own.
            for name in ["ada", "bob", "cleo", "dora", "emil"] {
                let account = server.api.sign_up(name).await;
                let profile = Request::get("/api/auth/profile").bearer(account["token"].as_str().expect("a token"));
                assert_eq!(server.api.send(profile).await.expect(200)["user"]["username"], name);
            }
        }
    }
}
