//! What goes wrong: codes of imports, refusals, and what a reconcile makes of them.

use crate::Outcome;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// The class of an import's failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Code {
    /// Fault of the host: retry.
    #[default]
    Internal,
    /// Allow-list of the module, or 401 and 403 of the API server: permanent.
    Denied,
    /// The object or the watch is absent.
    NotFound,
    /// A create met an object; `current` has it where asked for.
    AlreadyExists,
    /// Another resourceVersion or UID, or another manager's fields: read again.
    Conflict,
    /// The id is in use with another declaration: a mistake of the module.
    WatchClash,
    /// Bad request, 400 and 422, a selector that is not served: permanent.
    Invalid,
    /// 429 or the module's own rate: wait `retry_after_ms`.
    Throttled,
    /// The outcome of a write is not known: retry idempotently.
    Unknown,
    /// Too many objects, watches or bytes.
    Limit,
    /// The API server is away; reads of caches still work.
    Unavailable,
    /// The watch is not synced yet: `Outcome::on_sync()`.
    NotSynced,
    /// The time of this call is over: return.
    Deadline,
    /// The extension or feature is absent.
    Unsupported,
}

const CODES: [(Code, &str); 14] = [
    (Code::Internal, "internal"),
    (Code::Denied, "denied"),
    (Code::NotFound, "not_found"),
    (Code::AlreadyExists, "already_exists"),
    (Code::Conflict, "conflict"),
    (Code::WatchClash, "watch_clash"),
    (Code::Invalid, "invalid"),
    (Code::Throttled, "throttled"),
    (Code::Unknown, "unknown"),
    (Code::Limit, "limit"),
    (Code::Unavailable, "unavailable"),
    (Code::NotSynced, "not_synced"),
    (Code::Deadline, "deadline"),
    (Code::Unsupported, "unsupported"),
];

impl Code {
    pub(crate) fn of(number: i32) -> Code {
        CODES.get((-1 - number) as usize).map_or(Code::Internal, |(code, _)| *code)
    }

    /// As the reference spells it.
    pub fn name(self) -> &'static str {
        CODES[self as usize].1
    }
}

/// What an import answers instead of a result.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Refusal {
    #[serde(skip)]
    pub code: Code,
    pub reason: String,
    pub message: String,
    pub http: u16,
    pub retry_after_ms: u64,
    pub current: Value,
    pub fields: Vec<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.code.name())?;
        out.write_str(": ")?;
        out.write_str(&self.message)
    }
}

/// Why a reconcile failed.
#[derive(Clone, Debug)]
pub enum Error {
    /// An import refused.
    Refused(Refusal),
    /// Anything else; the key is tried again with back-off.
    Failed(String),
    /// Not tried again until the object changes.
    Terminal(String),
}

impl Error {
    /// The code of an import's refusal.
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Refused(refusal)
    }
}

impl From<String> for Error {
    fn from(message: String) -> Error {
        Error::Failed(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Error {
        Error::Failed(message.into())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::Failed(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Refused(refusal) => refusal.fmt(out),
            Error::Failed(message) | Error::Terminal(message) => out.write_str(message),
        }
    }
}

impl From<Error> for Outcome {
    /// The usual answer: what is permanent is terminal, a throttled key waits as long as it is told, an unsynced watch is
    /// waited for, and the rest is retried with back-off.
    fn from(error: Error) -> Outcome {
        let message = error.to_string();
        match error {
            Error::Terminal(_) => Outcome::terminal(message),
            Error::Failed(_) => Outcome { error: message, ..Outcome::default() },
            Error::Refused(refusal) => match refusal.code {
                Code::NotSynced => Outcome::on_sync(),
                Code::Throttled if refusal.retry_after_ms > 0 => Outcome::requeue_after(refusal.retry_after_ms),
                Code::Denied | Code::Invalid | Code::WatchClash | Code::Unsupported => Outcome::terminal(message),
                _ => Outcome { error: message, ..Outcome::default() },
            },
        }
    }
}
