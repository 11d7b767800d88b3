use std::net::{IpAddr, Ipv6Addr};

use http::request::Parts;

/// Address of the client: API Gateway's `sourceIp`; for the local server the peer of the socket, or what trusted proxies say about
/// their peer. Never a header that a client can write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddress(pub String);

impl ClientAddress {
    /// Address of the client that sent the request; `unknown` if nothing recorded it.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_else(|| Self("unknown".to_owned()))
    }

    /// Returns the name of the network that counts as one client.
    pub fn network(&self) -> String {
        match self.0.parse().map(client_network) {
            Ok(network @ IpAddr::V6(_)) => format!("{network}/64"),
            Ok(address) => address.to_string(),
            Err(_) => self.0.clone(),
        }
    }
}

/// Returns the network that counts as one client, by its first address. It is an IPv6 network of 64 bits, because a host may use
/// any address of it, or a single IPv4 address.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_client() {
        let network = |address: &str| ClientAddress(address.to_owned()).network();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::9"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::9"), network("2001:db8:1:3::9"));
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
        for address in ["203.0.113.7", "unknown"] {
            assert_eq!(network(address), address);
        }
    }
}
