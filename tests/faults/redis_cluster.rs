//! Redis Cluster of three masters and three replicas, while a slot is moved and a master is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tests::{Api, PASSWORD, RedisCluster, Request, Response, ServerProcess, TestUser, eventually, login_request};
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::proxied_service::{DEADLINE, download, entry, expect_unavailable, ready, upload};

/// State that the tasks of a test share.
#[derive(Default)]
struct Progress {
    /// Each request holds this lock for reading. Who holds it for writing knows that no request is in progress.
    requests: RwLock<()>,
    is_over: AtomicBool,
    sent: AtomicUsize,
    unavailable: AtomicUsize,
}

impl Progress {
    /// Sends `request`, and asserts that it succeeds, exceeds a rate limit, or is refused as unavailable, in time.
    async fn send(&self, api: &Api, request: Request) -> Response {
        let _request = self.requests.read().await;
        let target = format!("{} {}", request.method, request.path);
        let started = Instant::now();
        let response = api.send(request).await;
        assert!(started.elapsed() < DEADLINE, "{target} took {:?}", started.elapsed());
        self.sent.fetch_add(1, Ordering::SeqCst);
        match response.status {
            200 | 429 => {}
            503 => {
                expect_unavailable(&response);
                self.unavailable.fetch_add(1, Ordering::SeqCst);
            }
            other => panic!("{target}: {other}: {}", String::from_utf8_lossy(&response.body)),
        }
        response
    }

    /// Prints how many requests were unavailable since the last report.
    fn report(&self, phase: &str) {
        let [sent, unavailable] = [&self.sent, &self.unavailable].map(|count| count.swap(0, Ordering::SeqCst));
        eprintln!("{phase}: {unavailable} of {sent} requests were answered by 503");
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

/// A user with a known id, who sends from an address of its own.
struct Actor {
    user: TestUser,
    id: String,
}

impl Actor {
    async fn sign_up(server: &ServerProcess, index: u8) -> Self {
        let api = Api::from_address(&server.base_url, [127, 0, 1, index].into());
        let name = format!("user{index}");
        let account = api.sign_up(&name).await;
        let id = account["user"]["id"].as_str().expect("an id").to_owned();
        Self { user: TestUser::from_tokens(&api, &name, &account), id }
    }

    async fn slot(&self, cluster: &RedisCluster) -> u16 {
        cluster.slot(&format!("{{{}}}", self.id)).await
    }
}

/// Works as `actor` on several devices until the test is over. Returns all sessions, and the ids of the accepted uploads.
async fn work(actor: Actor, progress: Arc<Progress>) -> (Vec<TestUser>, Vec<String>) {
    let (mut sessions, mut uploaded) = (vec![actor.user], Vec::new());
    for round in 0_usize.. {
        let index = round % sessions.len();
        let session = sessions[index].clone();
        let send = async |request: Request| progress.send(&session.api, request.bearer(&session.token)).await;
        let item = format!("entry {round}");
        if send(upload(&[entry(&item)])).await.status == 200 {
            uploaded.push(item);
        }
        for request in [download(), Request::get("/api/auth/profile"), Request::get("/api/auth/sessions")] {
            send(request).await;
        }
        let body = serde_json::json!({ "refresh_token": session.refresh_token });
        let refreshed = progress.send(&session.api, Request::post("/api/auth/refresh", &body)).await;
        if refreshed.status == 200 {
            sessions[index] = TestUser::from_tokens(&session.api, &session.name, &refreshed.json());
        }
        if round % 4 == 0 {
            let login = progress.send(&session.api, login_request(&session.name, PASSWORD)).await;
            if login.status == 200 {
                sessions.push(TestUser::from_tokens(&session.api, &session.name, &login.json()));
            }
        }
        if progress.is_over() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    (sessions, uploaded)
}

/// Uploads as often as possible until the test is over. Returns the number of accepted uploads.
async fn exhaust(actor: Actor, progress: Arc<Progress>) -> usize {
    let mut accepted = 0;
    for round in 0.. {
        let request = upload(&[entry(&format!("entry {round}"))]).bearer(&actor.user.token);
        accepted += usize::from(progress.send(&actor.user.api, request).await.status == 200);
        if progress.is_over() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    accepted
}

/// Moves `slot` to another master while requests are sent, and returns that one. Halts between the steps, so that requests find each
/// state: keys at both nodes, all keys at the target, and the end.
async fn move_slot(cluster: &RedisCluster, slot: u16) -> usize {
    let from = cluster.master_of(slot, 0).await.expect("the slot has a master");
    let to = (from + 1) % 3;
    cluster.open_move(slot, from, to).await;
    for keys in [2, 1_000] {
        sleep(Duration::from_millis(500)).await;
        cluster.move_keys(slot, from, to, keys).await;
    }
    sleep(Duration::from_millis(500)).await;
    // Requests during the move may have created keys at the source before its last ones left.
    while cluster.move_keys(slot, from, to, 1_000).await > 0 {}
    cluster.finish_move(slot, to).await;
    assert_eq!(cluster.master_of(slot, from).await, Some(to));
    to
}

/// Asserts that all sessions and uploads still exist and can be used.
async fn assert_complete(sessions: &[TestUser], uploaded: &[String]) {
    for session in sessions {
        assert_eq!(session.profile().await["username"], session.name.as_str());
        let refreshed = tests::refresh(&session.api, &session.refresh_token).await.expect(200);
        assert!(TestUser::from_tokens(&session.api, &session.name, &refreshed).is_authenticated().await);
    }
    let page = sessions[0].full_download().await;
    let stored: Vec<&Value> =
        page["query_history"].as_array().expect("a list").iter().map(|item| &item["id"]).collect();
    for id in uploaded {
        assert!(stored.iter().any(|item| *item == id.as_str()), "{id} is lost");
    }
    sessions[0].log_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_and_limits_survive_a_moved_slot_and_a_killed_master() {
    let mut cluster = RedisCluster::start(1).await;
    let url = cluster.url();
    let [folder, limited_folder] = [tests::scratch_dir(), tests::scratch_dir()];
    // The log would have a line of each request that is unavailable.
    let settings = [("REDIS_URL", url.as_str()), ("RUST_LOG", "off"), ("RATE_LIMITS", "off")];
    let server = ServerProcess::start_with(folder.path(), &settings).await;
    let limited_server = ServerProcess::start_with(limited_folder.path(), &settings[..2]).await;
    server.api.send(ready()).await.expect(200);

    let (progress, started) = (Arc::new(Progress::default()), Instant::now());
    let (mut workers, mut slots) = (JoinSet::new(), Vec::new());
    for index in 1..=4 {
        let actor = Actor::sign_up(&server, index).await;
        slots.push(actor.slot(&cluster).await);
        workers.spawn(work(actor, progress.clone()));
    }
    let limited = Actor::sign_up(&limited_server, 1).await;
    let limited_slot = limited.slot(&cluster).await;
    let limited = tokio::spawn(exhaust(limited, progress.clone()));
    sleep(Duration::from_millis(500)).await;
    progress.report("before");

    move_slot(&cluster, slots[0]).await;
    let killed = move_slot(&cluster, limited_slot).await;
    progress.report("while slots were moved");
    sleep(Duration::from_secs(1)).await;
    progress.report("after the moves");

    // Replication is asynchronous: a failover loses the writes that the replica has not received. None is in flight here.
    let idle = progress.requests.write().await;
    cluster.wait_for_replicas(killed).await;
    cluster.kill(killed).await;
    drop(idle);
    let is_unready = async || (server.api.send(ready()).await.status == 503).then_some(());
    eventually("the service notices that slots have no master", is_unready).await;
    let new = cluster.wait_for_failover(limited_slot, killed).await;
    assert!(new >= 3, "a replica has taken over");
    eventually("the service is ready", async || (server.api.send(ready()).await.status == 200).then_some(())).await;
    progress.report("during the failover");
    sleep(Duration::from_secs(1)).await;
    progress.report("after the failover");

    progress.is_over.store(true, Ordering::SeqCst);
    for (sessions, uploaded) in workers.join_all().await {
        assert!(sessions.len() > 1 && uploaded.len() > 10, "{} sessions, {} uploads", sessions.len(), uploaded.len());
        assert_complete(&sessions, &uploaded).await;
    }
    let accepted = limited.await.expect("the task does not panic");
    let allowed = 10 + started.elapsed().as_secs() as usize / 6 + 1;
    assert!((10..=allowed).contains(&accepted), "{accepted} uploads were accepted, of {allowed} allowed");
}
