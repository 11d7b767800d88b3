//! The open connections, and the decision which one is closed in favour of another.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use shared::http::client_network;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ConnectionLimits;

/// Owner of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    network: IpAddr,
    is_proxy: bool,
}

impl Client {
    pub(super) fn new(peer: IpAddr, is_proxy: bool) -> Self {
        Self { network: client_network(peer), is_proxy }
    }
}

struct Entry {
    client: Client,
    /// Start of the wait for a request or its body; `None` while one is being handled.
    waiting_since: Option<Instant>,
    evicted: Arc<Notify>,
    is_evicted: bool,
}

impl Entry {
    /// Start of the wait, if the connection may be closed in favour of another.
    fn evictable_since(&self) -> Option<Instant> {
        self.waiting_since.filter(|_| !self.is_evicted)
    }
}

/// Open connections by id.
pub(super) struct Table {
    limits: ConnectionLimits,
    entries: HashMap<u64, Entry>,
    next_id: u64,
}

impl Table {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, entries: HashMap::new(), next_id: 0 }
    }

    /// Adds a connection that waits since `now`, and evicts another one if a limit is reached. Returns its id and what is
    /// notified when it is evicted itself; `None` if the limit is reached and no connection can be evicted.
    pub(super) fn add(&mut self, client: Client, now: Instant) -> Option<(u64, Arc<Notify>)> {
        let of_client = self.open().filter(|entry| entry.client.network == client.network).count();
        if !client.is_proxy && of_client >= self.limits.per_client {
            let longest = self.longest_waiting_of(client.network)?;
            self.evict(longest);
        } else if self.open().count() >= self.limits.total {
            let longest = self.longest_waiting_of_largest()?;
            self.evict(longest);
        }
        let (id, evicted) = (self.next_id, Arc::new(Notify::new()));
        self.next_id += 1;
        let entry = Entry { client, waiting_since: Some(now), evicted: Arc::clone(&evicted), is_evicted: false };
        self.entries.insert(id, entry);
        Some((id, evicted))
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.entries.remove(&id);
    }

    /// Records when the connection began to wait for a request, or that it handles one.
    pub(super) fn set_waiting(&mut self, id: u64, since: Option<Instant>) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.waiting_since = since;
        }
    }

    /// Whether more connections are open than allowed, because evicted ones are not yet closed.
    pub(super) fn is_above_limit(&self) -> bool {
        self.entries.len() > self.limits.total
    }

    /// Connections that have not been evicted.
    fn open(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| !entry.is_evicted)
    }

    fn evict(&mut self, id: u64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.is_evicted = true;
            entry.evicted.notify_one();
        }
    }

    fn longest_waiting_of(&self, network: IpAddr) -> Option<u64> {
        let of_client = self.entries.iter().filter(|(_, entry)| entry.client.network == network);
        let waiting = of_client.filter_map(|(id, entry)| Some((entry.evictable_since()?, *id)));
        waiting.min().map(|(_, id)| id)
    }

    /// Longest waiting connection of the client with the most connections. Those of proxies come last, because many clients
    /// share them.
    fn longest_waiting_of_largest(&self) -> Option<u64> {
        let mut sizes: HashMap<IpAddr, usize> = HashMap::new();
        for entry in self.open() {
            *sizes.entry(entry.client.network).or_default() += 1;
        }
        let waiting = self.entries.iter().filter_map(|(id, entry)| {
            let Client { network, is_proxy } = entry.client;
            Some((is_proxy, Reverse(sizes.get(&network).copied()), entry.evictable_since()?, *id))
        });
        waiting.min().map(|(_, _, _, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A table with 6 connections in all and 3 of each client, and a clock that advances with each step.
    struct Fixture {
        table: Table,
        now: Instant,
    }

    impl Fixture {
        fn new() -> Self {
            let limits = ConnectionLimits { total: 6, per_client: 3 };
            Self { table: Table::new(limits), now: Instant::now() }
        }

        fn tick(&mut self) -> Instant {
            self.now += Duration::from_secs(1);
            self.now
        }

        /// Opens a connection, and returns its id and the ids of the connections that it evicted, which are then removed.
        fn open_as(&mut self, address: &str, is_proxy: bool) -> Option<(u64, Vec<u64>)> {
            let client = Client::new(address.parse().expect("an address"), is_proxy);
            let now = self.tick();
            let (id, _) = self.table.add(client, now)?;
            let is_evicted = |(id, entry): (&u64, &Entry)| entry.is_evicted.then_some(*id);
            let evicted: Vec<u64> = self.table.entries.iter().filter_map(is_evicted).collect();
            for id in &evicted {
                self.table.remove(*id);
            }
            Some((id, evicted))
        }

        fn open(&mut self, address: &str) -> Option<(u64, Vec<u64>)> {
            self.open_as(address, false)
        }

        /// Opens connections that evict no other one.
        fn fill(&mut self, address: &str, count: usize) -> Vec<u64> {
            let opened: Vec<_> = (0..count).map(|_| self.open(address).expect("there is room")).collect();
            assert!(opened.iter().all(|(_, evicted)| evicted.is_empty()));
            opened.into_iter().map(|(id, _)| id).collect()
        }

        fn be_busy(&mut self, id: u64) {
            self.table.set_waiting(id, None);
        }

        fn wait_again(&mut self, id: u64) {
            let now = self.tick();
            self.table.set_waiting(id, Some(now));
        }
    }

    #[test]
    fn a_client_evicts_its_own_longest_waiting_connection() {
        let mut fixture = Fixture::new();
        fixture.fill("192.0.2.1", 1);
        let own = fixture.fill("192.0.2.2", 3);
        // The first one has answered a request since, and the second one handles one.
        fixture.wait_again(own[0]);
        fixture.be_busy(own[1]);
        assert_eq!(fixture.open("192.0.2.2").expect("one waits").1, [own[2]]);
        assert_eq!(fixture.open("192.0.2.2").expect("one waits").1, [own[0]]);
    }

    #[test]
    fn connections_that_handle_requests_are_not_evicted() {
        let mut fixture = Fixture::new();
        for address in ["192.0.2.1", "192.0.2.2"] {
            for id in fixture.fill(address, 3) {
                fixture.be_busy(id);
            }
        }
        assert_eq!(fixture.open("192.0.2.1"), None);
        assert_eq!(fixture.open("192.0.2.3"), None);
    }

    #[test]
    fn the_total_is_kept_at_the_expense_of_the_client_with_the_most_connections() {
        let mut fixture = Fixture::new();
        fixture.fill("192.0.2.1", 2);
        let largest = fixture.fill("192.0.2.2", 3);
        fixture.fill("192.0.2.3", 1);
        assert_eq!(fixture.open("192.0.2.4").expect("some wait").1, [largest[0]]);
    }

    #[test]
    fn the_largest_client_that_waits_is_chosen() {
        let mut fixture = Fixture::new();
        let waiting = fixture.fill("192.0.2.1", 2);
        for id in fixture.fill("192.0.2.2", 3) {
            fixture.be_busy(id);
        }
        fixture.fill("192.0.2.3", 1);
        assert_eq!(fixture.open("192.0.2.4").expect("some wait").1, [waiting[0]]);
    }

    #[test]
    fn a_proxy_may_have_more_connections_than_a_client_and_loses_them_last() {
        let mut fixture = Fixture::new();
        for _ in 0..5 {
            assert!(fixture.open_as("127.0.0.1", true).expect("there is room").1.is_empty());
        }
        let client = fixture.fill("192.0.2.1", 1);
        assert_eq!(fixture.open_as("127.0.0.1", true).expect("one waits").1, client);
        assert_eq!(fixture.open("192.0.2.1").expect("the proxy waits").1, [0]);
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let mut fixture = Fixture::new();
        let first = fixture.fill("2001:db8::1", 1);
        fixture.fill("2001:db8::2", 2);
        fixture.fill("2001:db8:0:1::1", 1);
        assert_eq!(fixture.open("2001:db8::3").expect("one waits").1, first);
    }

    #[test]
    fn evicted_connections_count_as_open_until_they_are_closed() {
        let mut fixture = Fixture::new();
        fixture.fill("192.0.2.1", 3);
        let last = fixture.fill("192.0.2.2", 3);
        let client = Client::new("192.0.2.3".parse().expect("an address"), false);
        let now = fixture.tick();
        fixture.table.add(client, now).expect("one waits");
        assert!(fixture.table.is_above_limit());
        fixture.table.remove(last[0]);
        assert!(!fixture.table.is_above_limit());
    }
}
