//! Addresses of clients behind reverse proxies, from `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! The headers are parsed here, because the crate `forwarded-header-value` is not maintained, and discards a header altogether if
//! a client wrote nonsense before what a proxy appended.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use shared::config::{ConfigError, Env};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Maximum number of proxies between a client and the server.
const MAX_HOPS: usize = 20;

/// Reverse proxies whose headers name the client. Default: none.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Reads `TRUSTED_PROXIES`: addresses and networks, separated by commas.
    ///
    /// # Errors
    /// When an entry is neither.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let list = env.get("TRUSTED_PROXIES").unwrap_or_default();
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let networks = entries.map(|entry| {
            network(entry).ok_or_else(|| ConfigError::Invalid {
                variable: "TRUSTED_PROXIES",
                value: entry.to_owned(),
                expected: "addresses, or networks such as 10.0.0.0/8, separated by commas".to_owned(),
            })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Whether `address` belongs to a trusted proxy.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns the address of the client whose request came from `peer`: the last one in the headers that is no trusted proxy.
    ///
    /// A proxy that sets only one of the headers passes the other one on as the client wrote it. If both name different addresses,
    /// neither is believed, and `peer` counts as the client.
    pub(crate) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.contains(peer) {
            return peer;
        }
        let [by_for, by_forwarded] = [(X_FORWARDED_FOR, x_forwarded_for as ReadHops), (FORWARDED, forwarded)]
            .map(|(name, read_hops)| self.last_untrusted(peer, headers, name, read_hops));
        match (by_for, by_forwarded) {
            (Some(one), Some(other)) if one != other => peer,
            (one, other) => one.or(other).unwrap_or(peer),
        }
    }

    /// Returns the last address of the header `name` that is no trusted proxy, or the last trusted one before a hop that cannot be
    /// read; `None` if there is no such header.
    fn last_untrusted(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        name: HeaderName,
        read_hops: ReadHops,
    ) -> Option<IpAddr> {
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        lines.last()?;
        // From the proxy to the client: each proxy appends to the line, or appends a line.
        let hops = lines.into_iter().rev().flat_map(|line| {
            let mut hops = line.to_str().map_or_else(|_| vec![None], read_hops);
            hops.reverse();
            hops
        });
        let mut nearest = peer;
        for hop in hops.take(MAX_HOPS) {
            match hop {
                Some(address) if self.contains(address) => nearest = address,
                Some(address) => return Some(address),
                None => break,
            }
        }
        Some(nearest)
    }
}

/// Reads the hops in a line of a header, from the client to the proxy; `None` for one that is not an address.
type ReadHops = fn(&str) -> Vec<Option<IpAddr>>;

fn network(entry: &str) -> Option<IpNet> {
    match entry.parse::<IpAddr>() {
        Ok(address) => Some(address.to_canonical().into()),
        Err(_) => entry.parse().ok(),
    }
}

fn x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    line.split(',').map(|hop| address(hop.trim())).collect()
}

fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    match split_unquoted(line, ',') {
        Some(elements) => elements.into_iter().map(forwarded_for).collect(),
        None => vec![None],
    }
}

/// Returns the address in the parameter `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let parameters = split_unquoted(element, ';')?.into_iter().filter_map(|parameter| parameter.split_once('='));
    let mut nodes = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value);
    let node = nodes.next()?.trim();
    if nodes.next().is_some() {
        return None;
    }
    match node.strip_prefix('"') {
        Some(quoted) => address(&unescaped(quoted.strip_suffix('"')?)),
        None => address(node),
    }
}

/// Splits `text` at each `separator` outside quoted strings; `None` if a quote is not closed.
fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, char) in text.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if char == separator && !is_quoted => {
                parts.push(&text[start..place]);
                start = place + char.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!is_quoted).then_some(parts)
}

/// Removes the backslashes of quoted pairs.
fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    std::iter::from_fn(|| chars.next().and_then(|char| if char == '\\' { chars.next() } else { Some(char) })).collect()
}

/// Reads an address without or with a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`. A
/// port may also be obfuscated, as in `192.0.2.1:_a`. `unknown` and obfuscated addresses are none.
fn address(node: &str) -> Option<IpAddr> {
    let without_port = match node.rsplit_once(":_") {
        Some((host, _)) => host,
        None => node,
    };
    let bracketed = || without_port.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || without_port.parse().ok().map(|address: SocketAddr| address.ip());
    without_port.parse().ok().or_else(bracketed).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const PEER: &str = "127.0.0.1";
    const CLIENT: &str = "203.0.113.7";

    fn proxies(list: &str) -> Result<TrustedProxies, ConfigError> {
        TrustedProxies::from_env(&Env::from_pairs([("TRUSTED_PROXIES", list)]))
    }

    fn client_address(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value of a header");
            headers.append(HeaderName::from_static(name), value);
        }
        let trusted = proxies("127.0.0.1, 10.0.0.0/8, ::1, 2001:db8:ffff::/48").expect("valid");
        trusted.client_address(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn x_forwarded_for_names_the_last_untrusted_address() {
        for (value, client) in [
            (CLIENT, CLIENT),
            ("198.51.100.1, 203.0.113.7", CLIENT),
            ("198.51.100.1, 203.0.113.7, 10.1.2.3 ,10.4.5.6", CLIENT),
            ("203.0.113.7:51000, 10.1.2.3:80", CLIENT),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7], 2001:db8:ffff::1", "2001:db8::7"),
            ("[2001:db8::7]:51000", "2001:db8::7"),
            ("::ffff:203.0.113.7", CLIENT),
            // Only proxies: the one that is the furthest from the server.
            ("10.1.2.3, 10.4.5.6", "10.1.2.3"),
            // An invalid entry ends the search at the last trusted hop.
            ("203.0.113.7, nonsense", PEER),
            ("203.0.113.7, nonsense, 10.1.2.3", "10.1.2.3"),
            ("203.0.113.7, unknown", PEER),
            ("203.0.113.7,", PEER),
            ("", PEER),
            ("203.0.113.7 10.1.2.3", PEER),
            ("203.0.113.7, \u{fc}", PEER),
            ("203.0.113.0/24", PEER),
            ("fe80::1%eth0", PEER),
            ("[203.0.113.7]", PEER),
            ("203.0.113.7:99999", PEER),
        ] {
            assert_eq!(client_address(PEER, &[("x-forwarded-for", value)]), client, "{value}");
        }
    }

    #[test]
    fn forwarded_names_the_last_untrusted_address() {
        for (value, client) in [
            ("for=203.0.113.7", CLIENT),
            ("For=\"203.0.113.7:51000\";proto=https;by=10.1.2.3", CLIENT),
            ("proto=https; for=203.0.113.7", CLIENT),
            ("for=198.51.100.1, for=203.0.113.7;host=\"a,b;for=192.0.2.1\", for=10.1.2.3", CLIENT),
            ("for=\"[2001:db8::7]\"", "2001:db8::7"),
            ("for=\"[2001:db8::7]:51000\", for=\"[2001:db8:ffff::1]\"", "2001:db8::7"),
            ("for=\"[2001:db8::7]:_port\"", "2001:db8::7"),
            ("for=\"203.0.113.7:_port\"", CLIENT),
            ("for=\"203.0.113\\.7\"", CLIENT),
            ("for=203.0.113.7, for=unknown", PEER),
            ("for=203.0.113.7, for=unknown, for=10.1.2.3", "10.1.2.3"),
            ("for=203.0.113.7, for=_hidden", PEER),
            ("for=203.0.113.7, for=_10.1.2.3", PEER),
            ("for=203.0.113.7, proto=https", PEER),
            ("for=203.0.113.7;for=198.51.100.1", PEER),
            ("for=\"203.0.113.7", PEER),
            ("for=\"x, for=203.0.113.7", PEER),
            ("for=\"203.0.113.7\\\"", PEER),
            ("203.0.113.7", PEER),
            ("for=", PEER),
            ("", PEER),
        ] {
            assert_eq!(client_address(PEER, &[("forwarded", value)]), client, "{value}");
        }
    }

    #[test]
    fn lines_of_a_header_are_one_list() {
        let name = "x-forwarded-for";
        assert_eq!(client_address(PEER, &[(name, "198.51.100.1"), (name, CLIENT)]), CLIENT);
        assert_eq!(client_address(PEER, &[(name, CLIENT), (name, "10.1.2.3, 10.1.2.4")]), CLIENT);
        assert_eq!(client_address(PEER, &[(name, CLIENT), (name, "nonsense")]), PEER);
        // A quote that the client left open does not hide the line that the proxy appended.
        assert_eq!(client_address(PEER, &[("forwarded", "for=\"x"), ("forwarded", "for=203.0.113.7")]), CLIENT);
    }

    #[test]
    fn headers_of_an_untrusted_peer_are_ignored() {
        for peer in ["198.51.100.9", "11.0.0.1", "2001:db8::9"] {
            let lines = [("x-forwarded-for", CLIENT), ("forwarded", "for=203.0.113.7")];
            assert_eq!(client_address(peer, &lines), peer);
        }
    }

    #[test]
    fn headers_that_disagree_are_not_believed() {
        let by_for = |value| [("x-forwarded-for", CLIENT), ("forwarded", value)];
        assert_eq!(client_address(PEER, &by_for("for=203.0.113.7")), CLIENT);
        assert_eq!(client_address(PEER, &by_for("for=10.1.2.3, for=198.51.100.1")), PEER);
        assert_eq!(client_address(PEER, &by_for("for=unknown")), PEER);
        assert_eq!(client_address(PEER, &by_for("")), PEER);
    }

    #[test]
    fn a_proxy_without_headers_is_the_client() {
        assert_eq!(client_address(PEER, &[]), PEER);
        assert_eq!(client_address("::1", &[("x-real-ip", CLIENT)]), "::1");
    }

    #[test]
    fn the_walk_is_bounded() {
        let chain = |proxies: usize| format!("{CLIENT}{}", ", 10.1.2.3".repeat(proxies));
        assert_eq!(client_address(PEER, &[("x-forwarded-for", &chain(MAX_HOPS - 1))]), CLIENT);
        assert_eq!(client_address(PEER, &[("x-forwarded-for", &chain(MAX_HOPS))]), "10.1.2.3");
    }

    #[test]
    fn a_wrong_entry_is_named() {
        for list in ["", " , ", "127.0.0.1", "127.0.0.1,10.0.0.0/8 , ::1,2001:db8::/32", "::ffff:127.0.0.1"] {
            assert!(proxies(list).is_ok(), "{list}");
        }
        for entry in ["localhost", "10.0.0.0/33", "127.0.0.1:80", "*", "10.0.0.0-10.0.0.9"] {
            let error = proxies(&format!("127.0.0.1, {entry}")).expect_err("a wrong entry").to_string();
            assert!(error.contains("TRUSTED_PROXIES") && error.contains(entry), "{error}");
        }
    }
}
