//! Redis Cluster: its creation, moves of slots, and failovers.

use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::{RedisServer, find_program, free_port, split_words};
use crate::{Certificates, Proxy, eventually};

/// Time after which the other nodes consider a silent node failed.
const NODE_TIMEOUT: Duration = Duration::from_secs(2);

/// Redis Cluster on loopback. The masters have the first indexes, the replicas the last.
pub struct RedisCluster {
    nodes: Vec<Node>,
    /// Scheme, and password if there is one.
    url_start: String,
    /// Options by which `redis-cli` connects to its nodes.
    client_options: String,
    /// Proxies in front of the nodes, or none.
    pub proxies: Vec<Proxy>,
}

struct Node {
    server: RedisServer,
    id: String,
}

impl Default for RedisCluster {
    /// No nodes, without TLS and password.
    fn default() -> Self {
        let url_start = "redis+cluster://".to_owned();
        Self { nodes: Vec::new(), url_start, client_options: String::new(), proxies: Vec::new() }
    }
}

impl RedisCluster {
    /// Starts three masters, each with `replicas` replicas.
    ///
    /// # Panics
    /// If a program is missing, or the cluster does not start.
    pub async fn start(replicas: usize) -> Self {
        Self::start_with(replicas, "", Self::default(), false).await
    }

    /// Starts three masters that are reached through proxies: each announces the port of its proxy.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_proxied() -> Self {
        Self::start_with(0, "", Self::default(), true).await
    }

    /// Starts three masters that accept only TLS connections to `localhost`, with `password`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn start_encrypted(certificates: &Certificates, password: &str) -> Self {
        let [certificate, key, authority] = [certificates.certificate(), certificates.key(), certificates.authority()]
            .map(|path| path.display().to_string());
        let options = format!(
            "--tls-cert-file {certificate} --tls-key-file {key} --tls-ca-cert-file {authority} --tls-auth-clients no \
             --tls-cluster yes --requirepass {password} --masterauth {password} --cluster-announce-hostname localhost \
             --cluster-preferred-endpoint-type hostname"
        );
        let client_options = format!("--tls --cacert {authority} --no-auth-warning -a {password}");
        let url_start = format!("rediss+cluster://:{password}@");
        Self::start_with(0, &options, Self { url_start, client_options, ..Self::default() }, false).await
    }

    async fn start_with(replicas: usize, options: &str, mut cluster: Self, is_proxied: bool) -> Self {
        for _ in 0..3 * (1 + replicas) {
            let (port, bus) = (free_port(), free_port());
            let mut all_options = format!(
                "--cluster-enabled yes --cluster-port {bus} --cluster-node-timeout {} \
                 --cluster-replica-validity-factor 0 --repl-diskless-sync-delay 0 {options}",
                NODE_TIMEOUT.as_millis()
            );
            if is_proxied {
                let proxy = Proxy::start(port).await;
                let announced = proxy.port();
                all_options += &format!(" --cluster-announce-port {announced} --cluster-announce-bus-port {bus}");
                cluster.proxies.push(proxy);
            }
            let server = if cluster.is_encrypted() {
                RedisServer::start_tls_at(port, &all_options).await
            } else {
                RedisServer::start_at(port, &all_options).await
            };
            cluster.nodes.push(Node { server, id: String::new() });
        }
        cluster.join(replicas).await;
        cluster
    }

    async fn join(&mut self, replicas: usize) {
        let host = self.host();
        let addresses = self.nodes.iter().map(|node| format!("{host}:{}", node.server.port()));
        let addresses: Vec<String> = addresses.collect();
        let create = format!("--cluster create {} --cluster-replicas {replicas} --cluster-yes", addresses.join(" "));
        let created = self.cli(0, &split_words(&create)).await;
        assert!(created.contains("All 16384 slots covered"), "{created}");
        for node in 0..self.nodes.len() {
            self.nodes[node].id = self.run(node, "CLUSTER MYID").await;
            self.wait_for(node, "CLUSTER INFO", "cluster_state:ok").await;
        }
        for replica in 3..self.nodes.len() {
            self.wait_for(replica, "INFO replication", "master_link_status:up").await;
        }
    }

    /// Waits until the response to `command` contains `text`.
    async fn wait_for(&self, node: usize, command: &str, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let response = self.run(node, command).await;
            if response.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "timed out waiting for {text}: {response}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn is_encrypted(&self) -> bool {
        self.url_start.starts_with("rediss")
    }

    fn host(&self) -> &'static str {
        // Certificates are for a name.
        if self.is_encrypted() { "localhost" } else { "127.0.0.1" }
    }

    /// URL of the first two masters: the others are found through them.
    pub fn url(&self) -> String {
        let host = self.host();
        let ports = match self.proxies.as_slice() {
            [] => [0, 1].map(|node| self.port(node)),
            proxies => [0, 1].map(|node| proxies[node].port()),
        };
        format!("{}{host}:{},{host}:{}", self.url_start, ports[0], ports[1])
    }

    /// Port of a node.
    pub fn port(&self, node: usize) -> u16 {
        self.nodes[node].server.port()
    }

    /// Runs a command at a node, and returns the response as text.
    ///
    /// # Panics
    /// If `redis-cli` is missing.
    pub async fn run(&self, node: usize, command: &str) -> String {
        self.cli(node, &split_words(command)).await
    }

    async fn cli(&self, node: usize, arguments: &[String]) -> String {
        let output = Command::new(find_program("redis-cli", &[]))
            .args(["-h", self.host(), "-p", &self.port(node).to_string()])
            .args(split_words(&self.client_options))
            .args(arguments)
            .output();
        let output = output.await.expect("redis-cli runs");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).trim().to_owned()
    }

    /// Deletes all keys.
    pub async fn flush(&self) {
        for node in 0..3 {
            assert_eq!(self.run(node, "FLUSHALL").await, "OK");
        }
    }

    /// Returns the slot of `key`.
    ///
    /// # Panics
    /// If the node does not respond.
    pub async fn slot(&self, key: &str) -> u16 {
        self.run(0, &format!("CLUSTER KEYSLOT {key}")).await.parse().expect("a slot")
    }

    /// Returns the node that serves `slot`, as the node `viewer` sees it.
    pub async fn master_of(&self, slot: u16, viewer: usize) -> Option<usize> {
        let nodes = self.run(viewer, "CLUSTER NODES").await;
        let master = nodes.lines().find(|line| {
            let mut fields = line.split(' ');
            let is_up = fields.nth(2).is_some_and(|flags| flags.contains("master") && !flags.contains("fail"));
            is_up && fields.skip(5).any(|range| contains(range, slot))
        });
        self.nodes.iter().position(|node| master.is_some_and(|line| line.starts_with(&node.id)))
    }

    /// Opens `slot` for a move from one master to another. The source then redirects to the target (`ASK`) for keys that it does
    /// not have.
    ///
    /// # Panics
    /// If a node refuses.
    pub async fn open_move(&self, slot: u16, from: usize, to: usize) {
        let importing = format!("CLUSTER SETSLOT {slot} IMPORTING {}", self.nodes[from].id);
        assert_eq!(self.run(to, &importing).await, "OK");
        let migrating = format!("CLUSTER SETSLOT {slot} MIGRATING {}", self.nodes[to].id);
        assert_eq!(self.run(from, &migrating).await, "OK");
    }

    /// Moves at most `count` keys of `slot` that the source has, and returns their number.
    ///
    /// # Panics
    /// If a node refuses.
    pub async fn move_keys(&self, slot: u16, from: usize, to: usize, count: usize) -> usize {
        let keys = self.run(from, &format!("CLUSTER GETKEYSINSLOT {slot} {count}")).await;
        if keys.is_empty() {
            return 0;
        }
        let port = self.port(to).to_string();
        // The empty argument stands for a single key.
        let migrate = ["MIGRATE", self.host(), &port, "", "0", "5000", "KEYS"];
        let keys: Vec<&str> = keys.lines().collect();
        let arguments: Vec<String> = migrate.iter().chain(&keys).map(|&word| word.to_owned()).collect();
        let moved = self.cli(from, &arguments).await;
        // NOKEY: all of them have expired meanwhile.
        assert!(moved == "OK" || moved == "NOKEY", "{moved}");
        keys.len()
    }

    /// Ends a move: the target serves `slot`.
    ///
    /// # Panics
    /// If a node refuses.
    pub async fn finish_move(&self, slot: u16, to: usize) {
        let command = format!("CLUSTER SETSLOT {slot} NODE {}", self.nodes[to].id);
        // The target first: if it fails between the two, the slot still has a master.
        for node in std::iter::once(to).chain((0..3).filter(|node| *node != to)) {
            assert_eq!(self.run(node, &command).await, "OK");
        }
    }

    /// Waits until the replicas of a master have received all its writes so far.
    pub async fn wait_for_replicas(&self, master: usize) {
        let has_all = async || {
            let info = self.run(master, "INFO replication").await;
            let offset = info.lines().find_map(|line| line.trim_end().strip_prefix("master_repl_offset:"))?;
            let is_current = |line: &&str| line.contains(&format!("offset={offset},"));
            let replicas: Vec<&str> = info.lines().filter(|line| line.starts_with("slave")).collect();
            (!replicas.is_empty() && replicas.iter().all(is_current)).then_some(())
        };
        eventually("the replicas", has_all).await;
    }

    /// Kills a node.
    pub async fn kill(&mut self, node: usize) {
        self.nodes[node].server.kill().await;
    }

    /// Waits until a replica has replaced the killed master of `slot`, and returns it.
    pub async fn wait_for_failover(&self, slot: u16, killed: usize) -> usize {
        let viewer = usize::from(killed == 0);
        let find = async || {
            let master = self.master_of(slot, viewer).await?;
            let is_ok = self.run(master, "CLUSTER INFO").await.contains("cluster_state:ok");
            (master != killed && is_ok).then_some(master)
        };
        eventually("a replica takes over", find).await
    }

    /// Changes the password of all nodes from `old` to `password`, and closes all other connections.
    ///
    /// # Panics
    /// If a node refuses.
    pub async fn change_password(&mut self, old: &str, password: &str) {
        for node in &self.nodes {
            node.server.change_password(old, password).await;
        }
        self.client_options = format!("--no-auth-warning -a {password}");
    }
}

/// Returns whether `slots`, such as `5461-10922` or `7`, contains `slot`. Slots in brackets are being moved.
fn contains(slots: &str, slot: u16) -> bool {
    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
    let parse = |text: &str| text.parse::<u16>().ok();
    parse(first).zip(parse(last)).is_some_and(|(first, last)| (first..=last).contains(&slot))
}
