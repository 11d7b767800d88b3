//! Edits of the list of databases between two runs of the server: every user is served from the own database, or not at all.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use shared::clock::{Clock, SystemClock};
use shared::models::DatabaseId;
use shared::storage::{AccountStore, Placement};
use tests::{
    Api, Backends, Device, Fault, PASSWORD, Request, ServerProcess, Service, Sqld, dump, login_request, saved_query,
};
use tokio::process::Command;
use tokio::time::Instant;

use crate::proxied_service::{DEADLINE, expect_unavailable};

/// Time in which a request is served while the database of other users is down. A fresh instance asks all databases for their
/// identities, and waits two seconds for one that does not respond.
const NOT_DELAYED: Duration = Duration::from_secs(5);

/// Stores of a service with users on each of its databases, whose server can be started with any list.
struct Deployment {
    backends: Backends,
    folder: tempfile::TempDir,
    users: Vec<User>,
    /// URLs of the databases.
    urls: Vec<String>,
    /// Ids of the databases, in the order of the URLs.
    ids: Vec<DatabaseId>,
}

struct User {
    name: String,
    database: DatabaseId,
    device: Device,
}

impl Deployment {
    /// Creates a service with `count` databases, and accounts until each database has two users.
    async fn start(count: usize) -> Self {
        let backends = Backends::start_servers_with(count).await;
        let urls = backends.settings[1].1.split(',').map(str::to_owned).collect();
        let ids = backends.open().await.0.accounts().database_set().await.expect("the read succeeds");
        let ids: Vec<_> = ids.members.iter().map(|member| member.id).collect();
        let mut deployment = Self { backends, folder: tests::scratch_dir(), users: Vec::new(), urls, ids };
        let server = deployment.serve(&deployment.list()).await;
        let lacks_users = |users: &[User]| {
            deployment.ids.iter().any(|id| users.iter().filter(|user| user.database == *id).count() < 2)
        };
        let mut users = Vec::new();
        while lacks_users(&users) {
            users.push(deployment.sign_up(&server, &format!("user{}", users.len())).await);
        }
        for user in &mut users {
            write(&mut user.device, "first").await;
        }
        deployment.users = users;
        deployment
    }

    /// The list of all databases, in the order of their registration.
    fn list(&self) -> String {
        self.urls.join(",")
    }

    /// Path of the log of the newest server.
    fn log_path(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).expect("the log can be read")
    }

    fn settings(&self, list: &str) -> Vec<(&'static str, String)> {
        let mut settings = self.backends.settings.clone();
        list.clone_into(&mut settings[1].1);
        settings
    }

    /// Starts a server with the list `list`.
    async fn serve(&self, list: &str) -> ServerProcess {
        let settings = self.settings(list);
        let mut settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        settings.push(("RATE_LIMITS", "off"));
        ServerProcess::start_with_log(&self.log_path(), self.folder.path(), &settings).await
    }

    /// Runs a command with the list `list`.
    async fn run(&self, command: &str, list: &str) -> Output {
        run(command, self.folder.path(), &self.settings(list)).await
    }

    async fn sign_up(&self, server: &ServerProcess, name: &str) -> User {
        let account = server.api.sign_up(name).await;
        let id = account["user"]["id"].as_str().expect("an id").parse().expect("an id");
        let placement = self.accounts().await.placement(id).await.expect("the read succeeds");
        let Placement::In(database) = placement else { panic!("{name} is not placed: {placement:?}") };
        let device = Device::new(&server.api, account["token"].as_str().expect("a token"), "laptop");
        User { name: name.to_owned(), database, device }
    }

    async fn accounts(&self) -> std::sync::Arc<dyn AccountStore> {
        self.backends.open().await.0.accounts()
    }

    /// Asserts that `server` serves all users from their data, except those of `missing`, who get 503 and lose nothing.
    async fn assert_served_except(&mut self, server: &ServerProcess, missing: &[DatabaseId]) {
        for user in &mut self.users {
            user.device.set_api(&server.api);
            let login = server.api.send(login_request(&user.name, PASSWORD)).await.expect(200);
            for token in [None, login["token"].as_str()] {
                // With a session from before, and with a new one.
                token.into_iter().for_each(|token| user.device.set_token(token));
                if missing.contains(&user.database) {
                    assert_refused(&user.device).await;
                } else {
                    let page = user.device.download().await;
                    assert_eq!((&page["reset"], user.device.resets), (&Value::Bool(false), 0), "{}", user.name);
                    assert!(user.device.visible_data("saved_query", "first").is_some());
                    write(&mut user.device, &shared::clock::random_uuid(&shared::clock::SystemRandom).to_string())
                        .await;
                }
            }
        }
    }

    /// Asserts that a user of another database than `down` is served at once, and that those of `down` get 503 in time.
    async fn assert_not_delayed(&self, api: &Api, down: DatabaseId) {
        for is_down in [false, true] {
            let user = self.users.iter().find(|user| (user.database == down) == is_down).expect("each has users");
            let mut device = user.device.clone();
            let login = api.send(login_request(&user.name, PASSWORD)).await.expect(200);
            device.set_api(api);
            device.set_token(login["token"].as_str().expect("a token"));
            let started = Instant::now();
            if is_down {
                assert_refused(&device).await;
            } else {
                device.download().await;
                assert!(started.elapsed() < NOT_DELAYED, "{:?}", started.elapsed());
            }
        }
        expect_unavailable(&api.send(Request::get("/ready")).await);
    }

    async fn dump(&self, url: &str) -> Vec<String> {
        dump(&database(url)).await
    }
}

fn database(url: &str) -> shared::storage::libsql::Hrana {
    shared::storage::libsql::Hrana::new(&url.into(), None, std::sync::Arc::new(shared::clock::SystemRandom))
        .expect("the URL is valid")
}

async fn run(command: &str, folder: &Path, settings: &[(&str, String)]) -> Output {
    let settings = settings.iter().map(|(name, value)| (name, value));
    let mut local = Command::new(ServerProcess::binary());
    let running = local.arg(command).envs(settings).env("DATA_DIR", folder).kill_on_drop(true).output();
    tokio::time::timeout(DEADLINE, running).await.expect("the command ends in time").expect("the command runs")
}

/// Creates a saved query, and syncs.
async fn write(device: &mut Device, id: &str) {
    device.write("saved_query", id, saved_query(id, "select 1"), SystemClock.now());
    device.sync().await;
}

/// Asserts that reads and writes of the device get 503 in time.
async fn assert_refused(device: &Device) {
    let since = device.since.clone().expect("the device has synced");
    let path = format!("/api/sync/download?device_id=laptop&since={since}");
    let mut writing = device.clone();
    writing.write("saved_query", "lost", saved_query("lost", "select 1"), SystemClock.now());
    let upload = Request::post("/api/sync/upload", &writing.upload_body());
    let started = Instant::now();
    let responses = tokio::join!(
        device.send(Request::get(path)),
        device.send(upload),
        device.send(Request::get("/api/sync/status"))
    );
    assert!(started.elapsed() < DEADLINE, "{:?}", started.elapsed());
    for response in [responses.0, responses.1, responses.2] {
        expect_unavailable(&response);
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_list_serves_everybody_from_the_same_databases() {
    let mut deployment = Deployment::start(2).await;
    let [a, b] = [deployment.urls[0].clone(), deployment.urls[1].clone()];
    let server = deployment.serve(&format!("{b},{a}")).await;
    deployment.assert_served_except(&server, &[]).await;
    assert_eq!(server.api.send(Request::get("/ready")).await.status, 200);

    let added = Sqld::start().await;
    let list = format!("{},{b}#weight=0,{a}#weight=1", added.url());
    let server = deployment.serve(&list).await;
    deployment.assert_served_except(&server, &[]).await;
    let early = deployment.sign_up(&server, "early").await;
    assert!(deployment.ids.contains(&early.database), "the new database is not registered");
    assert_eq!(deployment.dump(&added.url()).await, [""; 0]);

    let migrated = deployment.run("migrate", &list).await;
    assert!(migrated.status.success(), "{}", stderr(&migrated));
    deployment.assert_served_except(&server, &[]).await;
    assert_eq!(server.api.send(Request::get("/ready")).await.status, 200);
    let mut reached = false;
    for number in 0..12 {
        let mut user = deployment.sign_up(&server, &format!("late{number}")).await;
        assert_ne!(user.database, deployment.ids[1], "a weight of 0 keeps new users away");
        write(&mut user.device, "first").await;
        reached |= user.database != deployment.ids[0];
        deployment.users.push(user);
    }
    assert!(reached, "the new database gets new users");
    let server = deployment.serve(&list).await;
    deployment.assert_served_except(&server, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_a_database_refuses_its_users_and_nobody_else() {
    let mut deployment = Deployment::start(2).await;
    let (a, b, missing) = (deployment.urls[0].clone(), deployment.urls[1].clone(), deployment.ids[1]);
    let (empty, other) = (Sqld::start().await, Backends::start_servers().await);
    let foreign = other.settings[1].1.clone();
    let set = deployment.accounts().await.database_set().await.expect("the read succeeds");
    for list in [a.clone(), format!("{},{a}", empty.url()), format!("{a},{foreign}"), format!("{a},{b},{b}")] {
        let before = [deployment.dump(&b).await, deployment.dump(&empty.url()).await, deployment.dump(&foreign).await];
        let server = deployment.serve(&list).await;
        deployment.assert_served_except(&server, &[missing]).await;
        assert!(deployment.log().contains(&missing.to_string()), "{}", deployment.log());
        expect_unavailable(&server.api.send(Request::get("/ready")).await);
        for command in ["purge", "migrate"] {
            let output = deployment.run(command, &list).await;
            assert!(!output.status.success(), "{command} with {list}: {output:?}");
            assert!(stderr(&output).contains("TURSO_DATABASE_URL"), "{}", stderr(&output));
        }
        let after = [deployment.dump(&b).await, deployment.dump(&empty.url()).await, deployment.dump(&foreign).await];
        assert!(before == after, "something was written with the list {list}");
        assert_eq!(deployment.accounts().await.database_set().await.expect("the read succeeds"), set);
    }
    let server = deployment.serve(&deployment.list()).await;
    deployment.assert_served_except(&server, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_delays_nobody_else() {
    let mut deployment = Deployment::start(2).await;
    let target = deployment.urls[1].rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let proxy = tests::Proxy::start(target).await;
    let (list, down) = (format!("{},http://127.0.0.1:{}", deployment.urls[0], proxy.port()), deployment.ids[1]);
    // One that loses the database while it runs.
    let server = deployment.serve(&list).await;
    deployment.assert_served_except(&server, &[]).await;
    proxy.set_fault(Fault::Down);
    deployment.assert_not_delayed(&server.api, down).await;
    for fault in [Fault::Down, Fault::BlackHole] {
        proxy.set_fault(fault);
        // A fresh one, which does not know the identities and runs no purge, as a function.
        let mut backends = deployment.backends.share();
        list.clone_into(backends.url_mut("TURSO_DATABASE_URL"));
        let service = Service::on_backends(backends, &[("RATE_LIMITS", "off")]).await;
        deployment.assert_not_delayed(&service.api, down).await;
    }
    proxy.set_fault(Fault::None);
    let server = deployment.serve(&list).await;
    deployment.assert_served_except(&server, &[]).await;
}

#[tokio::test]
async fn invalid_weights_are_refused_at_the_start() {
    let folder = tests::scratch_dir();
    for list in [
        "http://127.0.0.1:1#weight=0",
        "http://127.0.0.1:1#weight=0,http://127.0.0.1:2#weight=0",
        "http://127.0.0.1:1,http://127.0.0.1:2#weight=-1",
        "http://127.0.0.1:1#weight=1001",
        "http://127.0.0.1:1#weight=",
        "http://127.0.0.1:1#weight=1.5",
        "http://127.0.0.1:1#1",
        "http://127.0.0.1:1,",
    ] {
        for command in ["serve", "migrate", "purge"] {
            let output = run(command, folder.path(), &[("TURSO_DATABASE_URL", list.to_owned())]).await;
            let error = stderr(&output);
            assert!(!output.status.success() && error.contains("TURSO_DATABASE_URL"), "{command} {list}: {error}");
        }
    }
}
