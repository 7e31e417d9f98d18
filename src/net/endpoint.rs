//! Where requests go: the address of a gateway or of a Kubo RPC, whose secrets never show.

use crate::error::{Error, Result};
use base64::Engine;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::str::FromStr;

/// Who named an endpoint, which decides how far it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Trust {
    /// A person: any address is meant.
    Typed,
    /// A document from the network: only public addresses are asked.
    Linked,
}

/// An `http` or `https` base URL. User, password, path and query may hold keys: `Display` and `Debug` show the origin only, and so
/// does every message, log and manifest.
///
/// ```
/// use cartool::net::Endpoint;
/// let endpoint: Endpoint = "https://me:secret@gateway.example/base?token=secret".parse()?;
/// assert_eq!(endpoint.to_string(), "https://gateway.example");
/// # Ok::<(), cartool::error::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    /// Host and port as in a URL; in lower case, without the scheme's own port.
    authority: String,
    /// The value of an `Authorization` header.
    authorization: Option<String>,
    /// The path without a `/` at its end.
    path: String,
    /// What every request takes along.
    query: Option<String>,
    trust: Trust,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl Endpoint {
    /// The gateway of the host that a linked document names: `https`, a domain name, and only when that leads to public addresses.
    ///
    /// # Errors
    /// When `host` is anything else.
    ///
    /// # Security
    /// The host comes from hostile input (SSRF): use it only when a person allowed that (`--use-linked-gateways`).
    pub fn linked(host: &str) -> Result<Endpoint> {
        let endpoint: Endpoint = format!("https://{host}").parse()?;
        let name = endpoint.host().trim_end_matches('.');
        let is_name =
            name.contains('.') && name.rsplit('.').next().is_some_and(|last| last.contains(|c: char| c.is_alphabetic()));
        if !is_name || endpoint.authorization.is_some() || !endpoint.path.is_empty() || endpoint.query.is_some() {
            return Err(Error::usage("a linked gateway is used only by a domain name"));
        }
        Ok(Endpoint { trust: Trust::Linked, ..endpoint })
    }

    /// The gateway of a Kubo node on this machine (`--gateway local`).
    pub fn local_gateway() -> Endpoint {
        Endpoint {
            scheme: Scheme::Http,
            authority: "127.0.0.1:8080".to_owned(),
            authorization: None,
            path: String::new(),
            query: None,
            trust: Trust::Typed,
        }
    }

    /// Scheme, host and port: what may be shown.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority)
    }

    /// The host, an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        host_of(&self.authority)
    }

    /// The port, the scheme's own if none was written.
    pub(crate) fn port(&self) -> u16 {
        let written = self.authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
        written.and_then(|(_, port)| port.parse().ok()).unwrap_or(self.scheme.port())
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn trust(&self) -> Trust {
        self.trust
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// The URL of a request: `path` starts with `/`, `query` is without `?`.
    pub(crate) fn url(&self, path: &str, query: &str) -> String {
        let base = format!("{}{}{path}?{query}", self.origin(), self.path);
        self.query.as_ref().map_or_else(|| base.clone(), |own| format!("{base}&{own}"))
    }

    /// Where a `Location` leads from a request to `url` of this endpoint: an endpoint without credentials, unless it is the same
    /// origin, and the URL.
    ///
    /// # Errors
    /// When it is no `http` or `https` URL.
    pub(crate) fn redirected(&self, url: &str, location: &str) -> Result<(Endpoint, String)> {
        let location = location.split_once('#').map_or(location, |(url, _)| url);
        let target = if location.contains("://") {
            location.to_owned()
        } else if let Some(rest) = location.strip_prefix("//") {
            format!("{}://{rest}", self.scheme.as_str())
        } else if location.starts_with('/') {
            format!("{}{location}", self.origin())
        } else {
            let page = url.split_once('?').map_or(url, |(page, _)| page);
            match location.strip_prefix('?') {
                Some(query) => format!("{page}?{query}"),
                None => format!("{}/{location}", page.rsplit_once('/').map_or(page, |(folder, _)| folder)),
            }
        };
        let mut endpoint: Endpoint = target.parse()?;
        let rest = target.split_once("://").map_or("", |(_, rest)| rest);
        let tail = rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/");
        let slash = if tail.starts_with('?') { "/" } else { "" };
        let url = format!("{}{slash}{tail}", endpoint.origin());
        endpoint.authorization = if endpoint.origin() == self.origin() { self.authorization.clone() } else { None };
        endpoint.trust = self.trust;
        Ok((endpoint, url))
    }
}

fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(host, _)| host),
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    /// Reads a base URL: `http` or `https`, perhaps with user, path and query.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage), with nothing of the text that could be a secret.
    fn from_str(text: &str) -> Result<Endpoint> {
        let wrong = || Error::usage("not a URL of a gateway: expected http://HOST[:PORT] or https://HOST[:PORT]");
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(wrong()),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, authority) = authority.rsplit_once('@').map_or((None, authority), |(user, rest)| (Some(user), rest));
        let mut authority = authority.to_ascii_lowercase();
        let own_port = format!(":{}", scheme.port());
        if authority.ends_with(&own_port) {
            authority.truncate(authority.len().saturating_sub(own_port.len()));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        let port = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map(|(_, port)| port);
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if host_of(&authority).is_empty() || !authority.chars().all(is_plain) || !is_port || !is_visible(rest) {
            return Err(wrong());
        }
        if query.is_some_and(|query| !is_visible(query)) {
            return Err(wrong());
        }
        let authorization = user.map(|user| {
            let user = if user.contains(':') { user.to_owned() } else { format!("{user}:") };
            let plain: Vec<u8> = percent_decode_str(&user).collect();
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(plain))
        });
        let path = path.trim_end_matches('/');
        Ok(Endpoint {
            scheme,
            authority,
            authorization,
            path: path.strip_suffix("/ipfs").unwrap_or(path).to_owned(),
            query: query.filter(|query| !query.is_empty()).map(str::to_owned),
            trust: Trust::Typed,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[test]
    fn secrets_do_not_show_and_are_sent() {
        let e = endpoint("HTTPS://user:p%40ss@Gate.Example:443/a/ipfs/?key=1#x");
        assert_eq!((e.to_string(), format!("{e:?}")), ("https://gate.example".into(), "Endpoint(https://gate.example)".into()));
        assert_eq!(e.url("/ipfs/x", "format=raw"), "https://gate.example/a/ipfs/x?format=raw&key=1");
        assert_eq!(e.authorization(), Some("Basic dXNlcjpwQHNz"));
        assert_eq!((endpoint("http://[::1]:81").host(), endpoint("http://[::1]:81").port()), ("::1", 81));
        assert_eq!((endpoint("http://h").host(), endpoint("https://h").port()), ("h", 443));
        for wrong in [
            "",
            "gate.example",
            "ftp://x",
            "http://",
            "http://a b",
            "http://x:99999",
            "http://x:0",
            "http://\u{e4}/",
            "http://x/a\nb",
        ] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
        assert!(!"http://me:geheim@".parse::<Endpoint>().unwrap_err().to_string().contains("geheim"));
    }

    #[test]
    fn linked_gateways_are_domains() {
        assert_eq!(Endpoint::linked("cf.example.com").unwrap().trust(), Trust::Linked);
        for host in ["127.0.0.1", "[::1]", "localhost", "a@b.example", "b.example/x", "2130706433", "0x7f.1", "1.2.3.4."] {
            assert!(Endpoint::linked(host).is_err(), "{host}");
        }
    }

    #[test]
    fn redirects_are_resolved_and_lose_secrets() {
        let from = endpoint("http://u:p@a.example:81/base?k=1");
        let url = from.url("/ipfs/c/d", "format=car");
        let to = |location: &str| from.redirected(&url, location).map(|(e, url)| (url, e.authorization().is_some()));
        assert_eq!(to("https://b.example/x?y#z").unwrap(), ("https://b.example/x?y".into(), false));
        assert_eq!(to("//b.example").unwrap(), ("http://b.example/".into(), false));
        assert_eq!(to("/x").unwrap(), ("http://a.example:81/x".into(), true));
        assert_eq!(to("?q").unwrap(), ("http://a.example:81/base/ipfs/c/d?q".into(), true));
        assert_eq!(to("e").unwrap(), ("http://a.example:81/base/ipfs/c/e".into(), true));
        assert_eq!(to("http://b.example?q").unwrap(), ("http://b.example/?q".into(), false));
        assert!(to("file:///etc/passwd").is_err() && to("ftp://b/").is_err());
    }
}
