//! From names to addresses, and which addresses are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Which addresses a request may go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All.
    Any,
    /// Those of the public internet: what a stranger names must not lead into this network (SSRF).
    Public,
}

/// The system's resolver, with `localhost` as RFC 6761 has it, and with bounds on where it may lead. As the connection is made to
/// the addresses that were checked, a name that changes its mind gains nothing.
#[derive(Debug)]
pub(super) struct Names {
    reach: Reach,
    system: DefaultResolver,
}

impl Names {
    pub(super) fn new(reach: Reach) -> Names {
        Names { reach, system: DefaultResolver::default() }
    }
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let mut found = self.empty();
        if is_localhost(host) {
            found.push(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            found.push(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
        } else {
            found = self.system.resolve(uri, config, timeout)?;
        }
        if self.reach == Reach::Any {
            return Ok(found);
        }
        let mut public = self.empty();
        found.iter().filter(|address| is_public(address.ip())).for_each(|address| public.push(*address));
        if public.is_empty() {
            return Err(Error::Other("the host is not a public one, and a public one led there".into()));
        }
        Ok(public)
    }
}

/// `localhost` and all names below it (RFC 6761, 6.3).
fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether a host has a public address. One that cannot be looked up counts as having one: the stricter rule follows from that.
pub(super) fn leads_to_public(host: &str, port: u16) -> bool {
    if is_localhost(host) {
        return false;
    }
    match (host, port).to_socket_addrs() {
        Ok(mut addresses) => addresses.any(|address| is_public(address.ip())),
        Err(_) => true,
    }
}

/// Whether an address is one of the public internet (IANA special-purpose address registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            let low = Ipv4Addr::from(u128::from(address) as u32);
            match address.to_ipv4_mapped() {
                Some(inner) => is_public_v4(inner),
                // NAT64 and 6to4 lead to the IPv4 address inside.
                None if (a, b) == (0x64, 0xff9b) => c == 0 && is_public_v4(low),
                None if a == 0x2002 => is_public_v4(Ipv4Addr::from((u32::from(b) << 16) | u32::from(c))),
                // Global unicast, without documentation, benchmarks and tunnels.
                None => (a & 0xe000) == 0x2000 && !(a == 0x2001 && (b < 0x200 || b == 0xdb8)) && a != 0x3fff,
            }
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses() {
        let public = |text: &str| is_public(text.parse().unwrap());
        for address in ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"] {
            assert!(public(address), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "203.0.113.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn a_request_that_may_reach_public_addresses_reaches_no_other() {
        let resolves = |reach, url: &str| {
            let uri = url.parse().unwrap();
            Names::new(reach).resolve(&uri, &Config::default(), NextTimeout::default()).is_ok()
        };
        for url in
            ["http://127.0.0.1:8080/", "http://x.localhost/", "http://[::1]/", "http://169.254.169.254/", "http://10.0.0.1/"]
        {
            assert!(resolves(Reach::Any, url) && !resolves(Reach::Public, url), "{url}");
        }
        assert!(resolves(Reach::Public, "http://8.8.8.8/"));
    }

    #[test]
    fn localhost_never_leaves_the_machine() {
        assert!(is_localhost("LocalHost.") && is_localhost("bafy.ipfs.localhost") && !is_localhost("localhost.example"));
        assert!(!leads_to_public("x.localhost", 80) && !leads_to_public("127.0.0.1", 80) && leads_to_public("8.8.8.8", 80));
    }
}
