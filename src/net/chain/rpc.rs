//! JSON-RPC 2.0: one call, and many in one request.

use crate::error::{Error, Result as WorkResult};
use serde::de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::fmt;
use std::marker::PhantomData;

/// Calls in one request: what public endpoints take.
pub(super) const BATCH_MAX: usize = 50;
/// Room for everything of an answer but the string asked for.
const ENVELOPE_LEN_MAX: usize = 64 << 10;
/// Longest answer to many calls at once; when it does not suffice they are made one by one.
const BATCH_LEN_MAX: usize = 8 << 20;
/// How often a call is made again when the endpoint says that it was asked too much.
const RETRIES_MAX: u32 = 3;
/// The error code for "too many requests" (EIP-1474).
const LIMIT_EXCEEDED: i64 = -32005;
/// Characters of an endpoint's message that are kept.
const MESSAGE_LEN_MAX: usize = 200;

/// What carries requests to an endpoint.
pub trait Transport {
    /// Posts a JSON document, and gives the body of the answer, of at most `answer_len_max` bytes. Failures of transport, and answers
    /// that ask for patience, were tried again already.
    ///
    /// # Errors
    /// [`CallError`].
    fn post(&self, request: &[u8], answer_len_max: usize) -> Result<Vec<u8>, CallError>;

    /// Waits before a call is made again for the `attempt`-th time, counted from 1.
    ///
    /// # Errors
    /// When the work should end.
    fn wait(&self, attempt: u32) -> WorkResult<()>;

    /// Scheme, host and port of the endpoint: what may be written down. No user, path or query, which hold keys.
    fn origin(&self) -> String;
}

/// Why a call has no result. Text is untrusted.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The endpoint answered with an error of its own or of the contract.
    Refused {
        /// The code.
        code: i64,
        /// What it said, cut short.
        message: String,
    },
    /// The answer is no JSON-RPC answer.
    BadAnswer(String),
    /// The answer is longer than it may be.
    TooLong,
    /// The endpoint could not be reached, or has no capacity: it may work later.
    Unreachable(String),
    /// The work was stopped, or the machine failed.
    Ended(Error),
}

impl CallError {
    /// Whether the contract ended the call: the words and codes of Geth, Ganache, Hardhat and Nethermind.
    pub(super) fn is_revert(&self) -> bool {
        const WORDS: [&str; 4] = ["revert", "invalid opcode", "out of gas", "vm execution error"];
        match self {
            CallError::Refused { code: 3 | -32015, .. } => true,
            CallError::Refused { message, .. } => {
                let message = message.to_ascii_lowercase();
                WORDS.iter().any(|word| message.contains(word))
            }
            _ => false,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Refused { code, message } => write!(f, "the endpoint answered with error {code}: {message}"),
            CallError::BadAnswer(why) => write!(f, "the endpoint's answer cannot be read: {why}"),
            CallError::TooLong => f.write_str("the endpoint's answer is longer than --max-uri allows"),
            CallError::Unreachable(why) => write!(f, "the endpoint could not be asked: {why}"),
            CallError::Ended(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

/// A method and its parameters.
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Value,
}

impl Call {
    pub(super) fn new(method: &'static str, params: Value) -> Call {
        Call { method, params }
    }

    fn request(&self, id: usize) -> Value {
        json!({ "jsonrpc": "2.0", "id": id, "method": self.method, "params": self.params })
    }
}

/// An answer, or one of many. Whatever else stands in it is passed over without being kept.
#[derive(Deserialize)]
#[serde(bound = "R: DeserializeOwned")]
struct Answer<R> {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default = "Option::default")]
    result: Option<R>,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl<R> Answer<R> {
    fn into_result(self) -> Result<Option<R>, CallError> {
        match self.error {
            Some(Refusal { code, message }) => {
                Err(CallError::Refused { code, message: message.chars().take(MESSAGE_LEN_MAX).collect() })
            }
            None => Ok(self.result),
        }
    }
}

/// At most [`BATCH_MAX`] answers: memory grows with what was asked, not with what comes back.
struct Answers<R>(Vec<Answer<R>>);

impl<'de, R: DeserializeOwned> Deserialize<'de> for Answers<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded<R>(PhantomData<R>);
        impl<'de, R: DeserializeOwned> Visitor<'de> for Bounded<R> {
            type Value = Answers<R>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of answers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Answers<R>, A::Error> {
                let mut answers = Vec::new();
                while answers.len() < BATCH_MAX {
                    match list.next_element()? {
                        Some(answer) => answers.push(answer),
                        None => return Ok(Answers(answers)),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Answers(answers))
            }
        }
        deserializer.deserialize_seq(Bounded(PhantomData))
    }
}

/// An endpoint.
#[derive(Debug)]
pub(super) struct Rpc<T> {
    pub(super) transport: T,
    /// Longest answer to one call, in bytes.
    answer_len_max: usize,
}

impl<T: Transport> Rpc<T> {
    /// With room for strings of `string_len_max` bytes, which come as hexadecimal.
    pub(super) fn new(transport: T, string_len_max: usize) -> Rpc<T> {
        Rpc { transport, answer_len_max: string_len_max.saturating_mul(2).saturating_add(ENVELOPE_LEN_MAX) }
    }

    /// Makes one call; `None` for the result `null`.
    pub(super) fn call<R: DeserializeOwned>(&self, call: &Call) -> Result<Option<R>, CallError> {
        let request = call.request(1).to_string();
        let mut attempt = 0;
        loop {
            let body = self.transport.post(request.as_bytes(), self.answer_len_max)?;
            let answer: Answer<R> = serde_json::from_slice(&body).map_err(unreadable)?;
            match answer.into_result() {
                Err(CallError::Refused { code: LIMIT_EXCEEDED, message }) => {
                    attempt += 1;
                    if attempt > RETRIES_MAX {
                        return Err(CallError::Unreachable(message));
                    }
                    self.transport.wait(attempt).map_err(CallError::Ended)?;
                }
                result => return result,
            }
        }
    }

    /// Makes one call whose result is text.
    pub(super) fn text(&self, call: &Call) -> Result<String, CallError> {
        self.call(call)?.ok_or_else(|| CallError::BadAnswer("the result is null, expected text".to_owned()))
    }

    /// Makes many calls whose results are text; the results are in the same order.
    ///
    /// # Errors
    /// Only [`CallError::Ended`]; what is wrong with one call is its own result.
    pub(super) fn texts(&self, calls: &[Call]) -> WorkResult<Vec<Result<String, CallError>>> {
        let mut results = Vec::with_capacity(calls.len());
        for batch in calls.chunks(BATCH_MAX) {
            let mut together = if batch.len() > 1 { self.batch(batch) } else { Vec::new() };
            together.resize_with(batch.len(), || None);
            for (call, known) in batch.iter().zip(together) {
                // What did not come with the others, or asks for patience, is asked for alone.
                let result = match known {
                    Some(result) => result,
                    None => self.text(call),
                };
                match result {
                    Err(CallError::Ended(error)) => return Err(error),
                    result => results.push(result),
                }
            }
        }
        Ok(results)
    }

    /// The results of one request; `None` for those that it does not hold, all of them when the endpoint takes no batches.
    fn batch(&self, calls: &[Call]) -> Vec<Option<Result<String, CallError>>> {
        let request = Value::from_iter(calls.iter().enumerate().map(|(id, call)| call.request(id)));
        let mut results: Vec<Option<Result<String, CallError>>> = Vec::new();
        results.resize_with(calls.len(), || None);
        let len_max = BATCH_LEN_MAX.max(self.answer_len_max);
        let body = match self.transport.post(request.to_string().as_bytes(), len_max) {
            Ok(body) => body,
            Err(CallError::Ended(error)) => {
                if let Some(first) = results.first_mut() {
                    *first = Some(Err(CallError::Ended(error)));
                }
                return results;
            }
            Err(_) => return results,
        };
        let Ok(Answers(answers)) = serde_json::from_slice::<Answers<String>>(&body) else { return results };
        for answer in answers {
            let place = answer.id.and_then(|id| results.get_mut(usize::try_from(id).ok()?));
            if let Some(place) = place {
                *place = match answer.into_result() {
                    Ok(Some(text)) => Some(Ok(text)),
                    Err(error) if error.is_revert() => Some(Err(error)),
                    _ => None,
                };
            }
        }
        results
    }
}

fn unreadable(error: serde_json::Error) -> CallError {
    CallError::BadAnswer(error.to_string())
}
