//! Where a request comes from: the peer of its connection, or, if that is a trusted proxy, whom the
//! proxy names.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;

/// Most hops that are looked at.
const MAX_HOPS: usize = 16;

/// A network whose machines are believed when they say for whom they ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyNet {
    address: IpAddr,
    bits: u8,
}

impl ProxyNet {
    /// Whether `ip` lies in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                same(net.to_bits().into(), ip.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => same(net.to_bits(), ip.to_bits(), 128, self.bits),
            _ => false,
        }
    }
}

fn same(a: u128, b: u128, width: u32, bits: u8) -> bool {
    let shift = width - u32::from(bits);
    a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
}

impl FromStr for ProxyNet {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let bad = || format!("{s:?} is neither an address nor a network such as 10.0.0.0/8");
        let (address, bits) = s.split_once('/').map_or((s, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), |b| b.parse::<u8>().map_err(|_| bad()))?;
        if bits > width { Err(bad()) } else { Ok(Self { address, bits }) }
    }
}

/// The client's address. `Forwarded` (RFC 7239) or `X-Forwarded-For` is read from the right, past
/// every trusted hop: what stands left of the first untrusted one was written by the client.
pub(crate) fn client(peer: Option<SocketAddr>, headers: &HeaderMap, proxies: &[ProxyNet]) -> Option<IpAddr> {
    let peer = peer?.ip().to_canonical();
    let trusted = |ip: IpAddr| proxies.iter().any(|p| p.contains(ip));
    if proxies.is_empty() || !trusted(peer) {
        return Some(peer);
    }
    let mut client = peer;
    for hop in hops(headers).into_iter().rev().take(MAX_HOPS) {
        // A hop that cannot be read was not written by a proxy of ours: the last one known counts.
        let Some(ip) = hop else { break };
        client = ip;
        if !trusted(ip) {
            break;
        }
    }
    Some(client)
}

fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let all = |name: &str| {
        let values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
            .collect();
        values.join(",")
    };
    let forwarded = all("forwarded");
    if !forwarded.is_empty() {
        return forwarded.split(',').map(|element| element.split(';').find_map(forwarded_for)).collect();
    }
    let list = all("x-forwarded-for");
    if list.is_empty() { Vec::new() } else { list.split(',').map(address).collect() }
}

fn forwarded_for(pair: &str) -> Option<IpAddr> {
    let (name, value) = pair.split_once('=')?;
    if name.trim().eq_ignore_ascii_case("for") { address(value.trim().trim_matches('"')) } else { None }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(socket.ip().to_canonical());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, headers: &[(&'static str, &'static str)], proxies: &[&str]) -> String {
        let headers: HeaderMap =
            headers.iter().map(|(k, v)| (k.parse().expect("a name"), v.parse().expect("a value"))).collect();
        let proxies: Vec<ProxyNet> = proxies.iter().map(|p| p.parse().expect("a network")).collect();
        client(Some(peer.parse().expect("a peer")), &headers, &proxies).expect("a peer").to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let spoof = [("x-forwarded-for", "198.51.100.7")];
        assert_eq!(found("203.0.113.5:1", &spoof, &[]), "203.0.113.5");
        assert_eq!(found("203.0.113.5:1", &spoof, &["10.0.0.0/8"]), "203.0.113.5");
        assert_eq!(found("10.1.2.3:1", &spoof, &["10.0.0.0/8"]), "198.51.100.7");
        // What the client itself wrote stands left of what the proxy added.
        let forged = [("x-forwarded-for", "1.1.1.1, 198.51.100.7, 10.9.9.9")];
        assert_eq!(found("10.1.2.3:1", &forged, &["10.0.0.0/8"]), "198.51.100.7");
        let bad = [("x-forwarded-for", "198.51.100.7, nonsense")];
        assert_eq!(found("10.1.2.3:1", &bad, &["10.0.0.0/8"]), "10.1.2.3");
        let rfc = [("forwarded", "for=1.1.1.1, For=\"[2001:db8::9]:4711\";proto=https")];
        assert_eq!(found("10.1.2.3:1", &rfc, &["10.0.0.0/8"]), "2001:db8::9");
        assert_eq!(found("[::ffff:10.1.2.3]:1", &spoof, &["10.1.2.3"]), "198.51.100.7");
    }

    #[test]
    fn networks_are_read_with_their_width() {
        let net: ProxyNet = "2001:db8::/32".parse().expect("a network");
        assert!(net.contains("2001:db8:ffff::1".parse().expect("an address")));
        assert!(!net.contains("2001:db9::1".parse().expect("an address")));
        let all: ProxyNet = "0.0.0.0/0".parse().expect("a network");
        assert!(all.contains("203.0.113.1".parse().expect("an address")));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "x", "10.0.0.0/-1", "::/129"] {
            assert!(bad.parse::<ProxyNet>().is_err(), "{bad}");
        }
    }
}
