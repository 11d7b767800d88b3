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
}

/// Returns the network that counts as one client, by its first address. It is an IPv6 network of 64 bits, because a host may use
/// any address of it, or a single IPv4 address.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}
