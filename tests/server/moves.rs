//! Devices that write through several servers while their users are moved between three databases, by movers that end at random.
//!
//! `MOVES_SEED=17` repeats the choices of a run, though not its timing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use local::{Stores, StoresConfig};
use secrecy::SecretString;
use serde_json::Value;
use shared::clock::{Clock, Random, SystemClock, SystemRandom};
use shared::config::Env;
use shared::models::{DatabaseId, Timestamp, UserId};
use shared::storage::libsql::{Directory, Hrana, LibsqlSync, Statement, Transport, Value as Cell};
use shared::storage::{AccountStore, MoveError, MoveOutcome, Placement, Retention, UserMoves};
use tests::{Backends, Device, Edits, Request, ServerProcess, Sqld, marker_in, saved_query};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::target::text;

const USERS: usize = 2;
const DEVICES_PER_USER: usize = 4;
const SERVERS: usize = 2;
/// Time for which devices write.
const DURATION: Duration = Duration::from_secs(12);
/// Number of items that all devices of a user edit.
const ITEMS: usize = 4;

const OPEN: &str = "
SELECT count(*) FROM sync_heads WHERE user_id = ?1 AND closed_at IS NULL AND moved_to IS NULL AND NOT moving";
const ITEMS_OF: &str = "
SELECT (SELECT count(*) FROM saved_queries WHERE user_id = ?1) + (SELECT count(*) FROM item_versions WHERE user_id = ?1)";

/// Servers on three databases.
struct Cluster {
    servers: Vec<ServerProcess>,
    accounts: Arc<dyn AccountStore>,
    databases: Vec<Arc<dyn Transport>>,
    ids: Vec<DatabaseId>,
    _sqlds: Vec<Sqld>,
    _backends: Backends,
    _folder: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let (mut backends, folder) = (Backends::start_servers().await, tests::scratch_dir());
        let sqlds = vec![Sqld::start().await, Sqld::start().await];
        let url = backends.url_mut("TURSO_DATABASE_URL");
        *url = [url.clone()].into_iter().chain(sqlds.iter().map(Sqld::url)).collect::<Vec<_>>().join(",");
        let urls = url.clone();
        // The servers log each refusal.
        let mut environment = vec![("RATE_LIMITS", "off"), ("RUST_LOG", "off")];
        environment.extend(backends.settings.iter().map(|(name, value)| (*name, value.as_str())));
        let env = Env::from_pairs(environment.iter().copied());
        let config = StoresConfig::from_env(&env, folder.path().to_owned()).expect("the URLs are valid");
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let stores = Stores::open(&config, &random).await.expect("the stores open");
        stores.migrate(&config, &*random).await.expect("the migrations apply");
        let connect = |url: &str| {
            let database = Hrana::new(&SecretString::from(url), None, random.clone()).expect("the URL is valid");
            Arc::new(database) as Arc<dyn Transport>
        };
        let databases = urls.split(',').map(connect).collect();
        let accounts = stores.accounts();
        let set = accounts.database_set().await.expect("the store responds");
        let ids = set.members.into_iter().map(|member| member.id).collect();
        let mut servers = Vec::new();
        for _ in 0..SERVERS {
            servers.push(ServerProcess::start_with(folder.path(), &environment).await);
        }
        Self { servers, accounts, databases, ids, _sqlds: sqlds, _backends: backends, _folder: folder }
    }

    /// Creates a mover, as another process.
    fn mover(&self) -> LibsqlSync {
        let databases = self.databases.iter().map(|database| (database.clone(), 1)).collect();
        LibsqlSync::placed(databases, Directory { placements: self.accounts.clone(), sessions: None })
    }

    /// Returns a number that `sql` selects for `user`, in each database.
    async fn numbers(&self, sql: &'static str, user: UserId) -> Vec<i64> {
        let mut numbers = Vec::new();
        for database in &self.databases {
            let select = vec![Statement::new(sql, [user.into()])];
            let found = database.read("test", select).await.expect("the database responds").remove(0);
            let Cell::Integer(number) = found.rows[0][0] else { panic!("{found:?} is no number") };
            numbers.push(number);
        }
        numbers
    }
}

/// Moves `user` back and forth until `finished`. A mover may end at any point. Returns the number of moves that were completed, and of
/// movers that ended before.
async fn move_continuously(cluster: Arc<Cluster>, user: UserId, mut rng: Rng, finished: Arc<AtomicBool>) -> [usize; 2] {
    let mut counts = [0, 0];
    while !finished.load(Ordering::SeqCst) {
        let to = *rng.choice(&cluster.ids).expect("there are databases");
        // Sometimes two movers at once.
        let movers = (0..1 + usize::from(rng.u8(..4) == 0)).map(|_| {
            let limit = if rng.bool() { Duration::from_millis(rng.u64(1..150)) } else { Duration::from_secs(30) };
            let mover = cluster.mover();
            async move { tokio::time::timeout(limit, mover.move_user(user, to, &SystemClock)).await }
        });
        for result in futures_util::future::join_all(movers.collect::<Vec<_>>()).await {
            match result {
                Err(_) => counts[1] += 1,
                Ok(Ok(MoveOutcome::Moved(_))) => counts[0] += 1,
                Ok(Ok(MoveOutcome::AlreadyThere) | Err(MoveError::Superseded | MoveError::KeptChanging)) => {}
                Ok(Err(error)) => panic!("{error}"),
            }
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(..400))).await;
    }
    counts
}

/// Edits items and syncs until `finished`. Returns the device and the number of its uploads.
async fn write_continuously(
    mut device: Device,
    edits: Arc<Mutex<Edits>>,
    mut rng: Rng,
    finished: Arc<AtomicBool>,
) -> (Device, usize) {
    let mut uploads = 0;
    while !finished.load(Ordering::SeqCst) {
        for _ in 0..=rng.usize(..3) {
            let id =
                if rng.u8(..4) == 0 { format!("{}-{uploads}", device.id) } else { format!("q{}", rng.usize(..ITEMS)) };
            let key = ("saved_query".to_owned(), id.clone());
            let marker = edits.lock().await.record_edit(&device, &key);
            device.write("saved_query", &id, saved_query(&id, &format!("select '{marker}'")), SystemClock.now());
        }
        device.upload().await;
        uploads += 1;
        if rng.bool() {
            device.download().await;
        }
    }
    (device, uploads)
}

/// Returns the markers of all items, replaced versions and conflicts.
async fn markers(device: &Device) -> BTreeSet<String> {
    let mut found: BTreeSet<String> =
        device.known.values().filter_map(|known| marker_in(known.data.as_ref()?)).collect();
    for (kind, id) in device.known.keys() {
        let path = format!("/api/sync/versions?item_type={kind}&item_id={id}");
        found.extend(list(device, &path, "versions").await.iter().filter_map(|version| marker_in(&version["data"])));
    }
    for conflict in list(device, "/api/sync/conflicts?status=all", "conflicts").await {
        let sides = [&conflict["local_version"], &conflict["remote_version"]];
        found.extend(sides.into_iter().filter_map(|side| marker_in(&side["data"])));
    }
    found
}

/// Returns all pages of a list.
async fn list(device: &Device, path: &str, field: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = device.send(Request::get(format!("{path}{cursor}"))).await.expect(200);
        all.extend(page[field].as_array().expect("a list").iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_users_are_moved() {
    if std::env::var("TEST_STORES").is_ok_and(|stores| stores == "embedded") {
        // One file is never moved.
        return;
    }
    let seed = std::env::var("MOVES_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut rng = Rng::with_seed(seed.unwrap_or_else(|| fastrand::u64(..)));
    eprintln!("MOVES_SEED={}", rng.get_seed());
    let cluster = Arc::new(Cluster::start().await);
    let finished = Arc::new(AtomicBool::new(false));
    let unavailable = Arc::new(AtomicUsize::new(0));
    let (mut movers, mut users) = (JoinSet::new(), Vec::new());
    for number in 0..USERS {
        let name = format!("ada{number}");
        let account = cluster.servers[0].api.sign_up(&name).await;
        let (token, user) = (text(&account["token"]), text(&account["user"]["id"]).parse().expect("an id"));
        let (edits, mut writers) = (Arc::<Mutex<Edits>>::default(), JoinSet::new());
        for index in 0..DEVICES_PER_USER {
            let api = &cluster.servers[index % SERVERS].api;
            let mut device = Device::new(api, &token, &format!("device{index}")).with_strategy("keep_both");
            device.refusals = Some(unavailable.clone());
            writers.spawn(write_continuously(device, edits.clone(), rng.fork(), finished.clone()));
        }
        movers.spawn(move_continuously(cluster.clone(), user, rng.fork(), finished.clone()));
        users.push((user, edits, writers));
    }
    tokio::time::sleep(DURATION).await;
    finished.store(true, Ordering::SeqCst);
    // A mover that ended may have left a user on the way. The next one continues.
    let counts = movers.join_all().await;
    for (user, ..) in &users {
        cluster.mover().move_user(*user, cluster.ids[0], &SystemClock).await.expect("the move succeeds");
    }
    let mut total_uploads = 0;
    for (user, edits, writers) in users {
        let (devices, uploads): (Vec<_>, Vec<_>) = writers.join_all().await.into_iter().unzip();
        total_uploads += uploads.iter().sum::<usize>();
        check(&cluster, user, devices, &*edits.lock().await).await;
    }
    let (completed, ended) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count[0], sum.1 + count[1]));
    let refused = unavailable.load(Ordering::SeqCst);
    eprintln!("{total_uploads} uploads, {completed} moves, {ended} movers ended early, {refused} requests repeated");
    assert!(total_uploads > 50 && completed > 5 && ended > 5, "too little happened");
}

/// Asserts that all devices agree, no edit is lost, and the user is in one database.
async fn check(cluster: &Cluster, user: UserId, mut devices: Vec<Device>, edits: &Edits) {
    while devices.iter().any(|device| device.unsent().next().is_some()) {
        for device in &mut devices {
            device.sync().await;
        }
    }
    for device in &mut devices {
        // It compares its digest with that of the server.
        device.download().await;
    }
    for device in &devices {
        assert_eq!((device.known == devices[0].known, device.resets), (true, 0), "{}", device.id);
        assert_eq!(device.digest(), devices[0].digest(), "{}", device.id);
    }
    let lost: Vec<_> = edits.missing(&markers(&devices[0]).await).into_iter().cloned().collect();
    assert!(lost.is_empty(), "lost edits: {lost:?}");

    let placement = cluster.accounts.placement(user).await.expect("the store responds");
    assert_eq!(placement, Placement::In(cluster.ids[0]));
    assert_eq!(cluster.numbers(OPEN, user).await, [1, 0, 0]);
    let abandoned = Timestamp::from_micros(SystemClock.now().micros() + 1);
    cluster.mover().clean_up_moves(abandoned, 100, 1_000).await.expect("the clean-up succeeds");
    let rows = cluster.numbers(ITEMS_OF, user).await;
    assert!(rows[0] > 0 && rows[1..] == [0, 0], "{rows:?}");
}
