//! Requests and answers: one HTTP client with its own rules for redirects, addresses and waiting.

use super::endpoint::{Endpoint, Scheme, Trust};
use super::options::Timeouts;
use super::patience::Patience;
use super::resolve::{Names, Reach, leads_to_public};
use crate::error::{Error, ErrorKind};
use std::io::Read;
use std::time::{Duration, SystemTime};
use ureq::config::Config;
use ureq::http::{HeaderMap, Request, header};
use ureq::unversioned::transport::{Connector, RustlsConnector, TcpConnector};
use ureq::{Agent, Body};

/// Redirects that are followed for one request.
const REDIRECTS_MAX: usize = 10;
/// Bytes of an error's body that are looked at.
const ERROR_BODY_MAX: u64 = 4 << 10;
/// Bytes that the system may hand over at once.
const INPUT_BUFFER_LEN: usize = 256 << 10;

/// What is asked of an endpoint.
#[derive(Debug, Clone)]
pub(super) struct Question<'q> {
    pub(super) endpoint: &'q Endpoint,
    pub(super) method: Method,
    /// Below the endpoint, starting with `/`; without secrets.
    pub(super) path: &'q str,
    /// Without `?`.
    pub(super) query: &'q str,
    pub(super) accept: &'static str,
}

/// How it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Gateways.
    Get,
    /// The RPC of Kubo.
    Post,
}

/// An answer, whose body has not been read yet.
pub(super) struct Response {
    pub(super) status: u16,
    /// In lower case, without parameters.
    pub(super) content_type: String,
    /// How long the server asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    body: Body,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoResponse {
    /// A redirect that is not followed.
    Redirect(String),
    /// The connection failed.
    Failed(String),
}

impl NoResponse {
    /// Why, in one sentence.
    pub(super) fn why(self) -> String {
        match self {
            NoResponse::Redirect(why) | NoResponse::Failed(why) => why,
        }
    }
}

/// A connection pool, and another one for requests that may reach public addresses only.
#[derive(Debug)]
pub(super) struct Client {
    any: Agent,
    public: Agent,
}

impl Client {
    pub(super) fn new(timeouts: &Timeouts) -> Client {
        let agent = |reach| {
            let config = Config::builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                // A proxy from the environment would see everything; the library reads no environment.
                .proxy(None)
                .user_agent(concat!("cartool/", env!("CARGO_PKG_VERSION")))
                .accept_encoding(ureq::config::AutoHeaderValue::None)
                .input_buffer_size(INPUT_BUFFER_LEN)
                .timeout_resolve(Some(timeouts.connect))
                .timeout_connect(Some(timeouts.connect))
                .timeout_recv_response(Some(timeouts.first_byte))
                .timeout_global(Some(timeouts.request))
                .build();
            let connector =
                ().chain(TcpConnector::default()).chain(Patience { idle: timeouts.idle }).chain(RustlsConnector::default());
            Agent::with_parts(config, connector, Names::new(reach))
        };
        Client { any: agent(Reach::Any), public: agent(Reach::Public) }
    }

    /// Ends all requests under way, on whatever thread.
    pub(super) fn shut_down(&self) {
        self.any.clone().shutdown();
        self.public.clone().shutdown();
    }

    /// Asks, and follows redirects: never from `https` to `http`, and never from a public host to one that is not.
    pub(super) fn ask(&self, question: &Question<'_>) -> Result<Response, NoResponse> {
        let mut endpoint = question.endpoint.clone();
        let mut url = endpoint.url(question.path, question.query);
        let mut reach = if endpoint.trust() == Trust::Linked { Reach::Public } else { Reach::Any };
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(question, &endpoint, &url, reach)?;
            let Some(location) = location(&response.0, &response.1) else { return Ok(finish(response)) };
            let refused =
                |why: &str| NoResponse::Redirect(format!("HTTP {}, a redirect that is not followed: {why}", response.0));
            let (next, next_url) =
                endpoint.redirected(&url, &location).map_err(|_| refused("it leads to no http or https URL"))?;
            if endpoint.scheme() == Scheme::Https && next.scheme() == Scheme::Http {
                return Err(refused("it leads from https to http"));
            }
            if reach == Reach::Any && next.origin() != endpoint.origin() && leads_to_public(endpoint.host(), endpoint.port()) {
                reach = Reach::Public;
            }
            (endpoint, url) = (next, next_url);
        }
        Err(NoResponse::Redirect(format!("more than {REDIRECTS_MAX} redirects")))
    }

    /// Posts a JSON document. Redirects are not followed: an endpoint that a person typed has no reason to send elsewhere.
    pub(super) fn post_json(&self, endpoint: &Endpoint, document: &[u8]) -> Result<Response, NoResponse> {
        let mut request = Request::builder()
            .method("POST")
            .uri(endpoint.url("", "").trim_end_matches('?'))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = endpoint.authorization() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(document).map_err(|_| NoResponse::Failed("not a URL that can be asked for".to_owned()))?;
        match self.any.run(request) {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Ok(finish((head.status.as_u16(), head.headers, body)))
            }
            Err(error) => Err(NoResponse::Failed(describe(&error))),
        }
    }

    fn send(&self, question: &Question<'_>, endpoint: &Endpoint, url: &str, reach: Reach) -> Result<Parts, NoResponse> {
        let agent = if reach == Reach::Public { &self.public } else { &self.any };
        let method = if question.method == Method::Post { "POST" } else { "GET" };
        let mut request = Request::builder().method(method).uri(url).header(header::ACCEPT, question.accept);
        if let Some(authorization) = endpoint.authorization() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        // The text of an error may quote the URL, secrets included: it is replaced.
        let request = request.body(()).map_err(|_| NoResponse::Failed("not a URL that can be asked for".to_owned()))?;
        match agent.run(request) {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Ok((head.status.as_u16(), head.headers, body))
            }
            Err(error) => Err(NoResponse::Failed(describe(&error))),
        }
    }
}

type Parts = (u16, HeaderMap, Body);

fn location(status: &u16, headers: &HeaderMap) -> Option<String> {
    let is_redirect = matches!(status, 301 | 302 | 303 | 307 | 308);
    headers.get(header::LOCATION).filter(|_| is_redirect).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn finish((status, headers, body): Parts) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let retry_after = text(header::RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
    Response { status, content_type, retry_after, body }
}

/// `Retry-After` as seconds or as a date (RFC 9110, 10.2.3).
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok().map(|at| at.duration_since(now).unwrap_or_default()),
    }
}

impl Response {
    /// The body, without a bound of its own.
    pub(super) fn reader(self) -> impl Read + Send + 'static {
        self.body.into_with_config().limit(u64::MAX).reader()
    }

    /// The start of the body of an error, as text.
    pub(super) fn error_text(self) -> String {
        let mut bytes = Vec::new();
        // What was read until the connection failed is all there is to know.
        let _ = self.reader().take(ERROR_BODY_MAX).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

/// One sentence about a failed request, without any URL.
fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            "no connection in time (--connect-timeout)".to_owned()
        }
        ureq::Error::Timeout(ureq::Timeout::RecvResponse) => "no answer in time (--first-byte-timeout)".to_owned(),
        ureq::Error::Timeout(ureq::Timeout::PerRead) => "nothing more came in time (--idle-timeout)".to_owned(),
        ureq::Error::Timeout(_) => "the request took too long (--request-timeout)".to_owned(),
        ureq::Error::HostNotFound => "there is no such host".to_owned(),
        ureq::Error::Io(error) => format!("the connection failed: {error}"),
        ureq::Error::Protocol(_) => "the answer is no sound HTTP".to_owned(),
        ureq::Error::Rustls(error) => format!("TLS failed: {error}"),
        ureq::Error::Other(error) => error.to_string(),
        _ => "the request failed".to_owned(),
    }
}

/// One sentence about a body that failed while it was read.
pub(super) fn describe_body(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    match inner {
        Some(error) => describe(error),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => "the answer ended early".to_owned(),
        None => format!("the connection failed: {error}"),
    }
}

impl From<NoResponse> for Error {
    fn from(no: NoResponse) -> Error {
        match no {
            NoResponse::Redirect(why) | NoResponse::Failed(why) => Error::new(ErrorKind::Missing, why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_seconds_and_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after(" 60", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }
}
