use std::net::{IpAddr, Ipv6Addr};

use http::request::Parts;

/// Address of the client: the peer of the socket, or API Gateway's `sourceIp`. Never a header that a client can write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddress(pub String);

impl ClientAddress {
    /// Address of the client that sent the request; `unknown` if nothing recorded it.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_else(|| Self("unknown".to_owned()))
    }

    /// Returns the network of the client: for IPv6 the /64, because a host may use any address of it, otherwise the address.
    pub fn network(&self) -> String {
        match self.0.parse() {
            Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                format!("{}/64", Ipv6Addr::from_bits(network))
            }
            _ => self.0.clone(),
        }
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
        for address in ["203.0.113.7", "::ffff:203.0.113.7", "unknown"] {
            assert_eq!(network(address), address);
        }
    }
}
