//! JSON-RPC over HTTP, by the client that asks gateways.

use super::rpc::{CallError, Transport};
use crate::control::Control;
use crate::error::Result;
use crate::net::http::{Client, Response, describe_body};
use crate::net::{Endpoint, Options};
use std::io::Read;
use std::time::{Duration, Instant};

/// How often the stop flag is looked at while nothing is done.
const GLANCE: Duration = Duration::from_millis(50);

/// An endpoint that speaks JSON-RPC over HTTP. Its URL may hold keys, which never show.
#[derive(Debug)]
pub struct Http {
    client: Client,
    endpoint: Endpoint,
    retries: u32,
    backoff: Duration,
    wait_max: Duration,
    control: Control,
}

impl Http {
    /// An endpoint, with the time-outs and the patience of gateways. No socket is opened before something is asked.
    pub fn new(endpoint: Endpoint, options: &Options, control: &Control) -> Http {
        let client = Client::new(&options.timeouts);
        let (retries, backoff, wait_max) = (options.retries, options.backoff, options.wait_max);
        Http { client, endpoint, retries, backoff, wait_max, control: control.clone() }
    }

    fn once(&self, request: &[u8], answer_len_max: usize) -> std::result::Result<Vec<u8>, Attempt> {
        let response = self.client.post_json(&self.endpoint, request).map_err(|no| Attempt::Again(no.why(), None))?;
        let (status, retry_after) = (response.status, response.retry_after);
        match status {
            200 => read(response, answer_len_max),
            408 | 425 | 429 | 500..=599 => {
                // Some endpoints send the errors of JSON-RPC with another status than 200.
                match read(response, answer_len_max) {
                    Ok(body) if status == 500 && body.starts_with(b"{") => Ok(body),
                    _ => Err(Attempt::Again(format!("HTTP {status}"), retry_after)),
                }
            }
            400 | 404 => match read(response, answer_len_max) {
                Ok(body) if body.starts_with(b"{") => Ok(body),
                _ => Err(Attempt::Over(CallError::Unreachable(format!("HTTP {status}")))),
            },
            _ => Err(Attempt::Over(CallError::Unreachable(format!("HTTP {status}")))),
        }
    }

    fn sleep(&self, time: Duration) -> Result<()> {
        let until = Instant::now().checked_add(time);
        loop {
            self.control.check()?;
            let left = until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(GLANCE));
        }
    }
}

/// Why one attempt gave no answer.
enum Attempt {
    /// Another may, after this long.
    Again(String, Option<Duration>),
    /// No other would.
    Over(CallError),
}

fn read(response: Response, len_max: usize) -> std::result::Result<Vec<u8>, Attempt> {
    let mut body = Vec::new();
    match response.reader().take(len_max as u64 + 1).read_to_end(&mut body) {
        Ok(_) if body.len() > len_max => Err(Attempt::Over(CallError::TooLong)),
        Ok(_) => Ok(body),
        Err(error) => Err(Attempt::Again(describe_body(&error), None)),
    }
}

impl Transport for Http {
    fn post(&self, request: &[u8], answer_len_max: usize) -> std::result::Result<Vec<u8>, CallError> {
        let mut attempt = 0;
        loop {
            self.control.check().map_err(CallError::Ended)?;
            match self.once(request, answer_len_max) {
                Ok(body) => return Ok(body),
                Err(Attempt::Over(error)) => return Err(error),
                Err(Attempt::Again(why, _)) if attempt >= self.retries => return Err(CallError::Unreachable(why)),
                Err(Attempt::Again(why, Some(asked))) if asked > self.wait_max => {
                    return Err(CallError::Unreachable(format!("{why}, and it asks to wait longer than --max-wait")));
                }
                Err(Attempt::Again(_, asked)) => {
                    attempt += 1;
                    match asked {
                        Some(asked) => self.sleep(asked),
                        None => self.wait(attempt),
                    }
                    .map_err(CallError::Ended)?;
                }
            }
        }
    }

    fn wait(&self, attempt: u32) -> Result<()> {
        let doubled = self.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(10));
        self.sleep(doubled.min(self.wait_max))
    }

    fn origin(&self) -> String {
        self.endpoint.origin()
    }
}
