//! Whose request it is, as far as the network tells: the peer, or whom a trusted proxy names.

use crate::config::Network;
use http::{HeaderMap, HeaderName};
use std::net::{IpAddr, SocketAddr};

/// The other end of a connection, as the accept loop saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether we ended TLS ourselves.
    pub is_tls: bool,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// The address of the client.
    pub ip: IpAddr,
    /// Whether the client spoke TLS, to us or to a trusted proxy.
    pub is_tls: bool,
}

impl ClientAddress {
    /// Believes `X-Forwarded-For` and `X-Forwarded-Proto` from trusted proxies alone, and reads them from
    /// the right: what stands left of the first address that is no proxy of ours, its owner made up.
    pub fn of(peer: Peer, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let ip = peer.address.ip().to_canonical();
        if !is_trusted(ip, trusted) {
            return Self { ip, is_tls: peer.is_tls };
        }
        Self { ip: forwarded_for(ip, headers, trusted), is_tls: peer.is_tls || is_forwarded_https(headers) }
    }
}

fn forwarded_for(proxy: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut nearest = proxy;
    for entry in from_the_right(headers, &X_FORWARDED_FOR) {
        // A proxy that writes nonsense tells us no more than its own address.
        let Some(ip) = parse(entry) else { return nearest };
        nearest = ip;
        if !is_trusted(ip, trusted) {
            return ip;
        }
    }
    nearest
}

fn is_forwarded_https(headers: &HeaderMap) -> bool {
    from_the_right(headers, &X_FORWARDED_PROTO)
        .next()
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

fn from_the_right<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines: Vec<&str> = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("")).collect();
    lines.into_iter().rev().flat_map(|line| line.rsplit(',')).map(str::trim)
}

/// An address, with a port or without: `192.0.2.1`, `192.0.2.1:5000`, `2001:db8::1`, `[2001:db8::1]:5000`.
fn parse(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse::<SocketAddr>().map(|address| address.ip());
    let in_brackets = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    entry.parse().or_else(|_| with_port()).ok().or_else(in_brackets).map(|ip: IpAddr| ip.to_canonical())
}

fn is_trusted(ip: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(ip))
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted = [Network::try_from("10.0.0.0/8".to_owned()).unwrap()];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        let peer = Peer { address: SocketAddr::new(peer.parse().unwrap(), 1), is_tls: false };
        ClientAddress::of(peer, &headers, &trusted).ip.to_string()
    }

    #[test]
    fn a_stranger_can_not_choose_its_address() {
        assert_eq!(client("192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(client("::ffff:192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
    }

    #[test]
    fn a_trusted_proxy_is_believed_up_to_the_first_stranger_from_the_right() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, [2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.1:5000"]), "198.51.100.1");
    }

    #[test]
    fn without_a_usable_entry_the_nearest_known_address_counts() {
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["nonsense, 10.0.0.9"]), "10.0.0.9");
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn tls_is_what_we_ended_or_what_a_trusted_proxy_says() {
        let trusted = [Network::try_from("10.0.0.0/8".to_owned()).unwrap()];
        let is_tls = |peer: &str, tls: bool, proto: &str| {
            let headers = HeaderMap::from_iter([(X_FORWARDED_PROTO, proto.parse().unwrap())]);
            let peer = Peer { address: SocketAddr::new(peer.parse().unwrap(), 1), is_tls: tls };
            ClientAddress::of(peer, &headers, &trusted).is_tls
        };
        assert!(is_tls("10.0.0.1", false, "https") && is_tls("10.0.0.1", false, "http, HTTPS"));
        assert!(!is_tls("10.0.0.1", false, "https, http"));
        assert!(!is_tls("192.0.2.7", false, "https"));
        assert!(is_tls("192.0.2.7", true, "http"));
    }
}
