//! What a controller module of edged needs in Rust: the exports of the guest ABI `edged_ctl_v1`, wired by one
//! registration, and its imports as functions.
//!
//! ```ignore
//! struct Mine;
//! impl Controller for Mine { /* setup and reconcile */ }
//! edged_controller::register!(Mine);
//! ```
//!
//! Build a `cdylib` for `wasm32-unknown-unknown`, with `panic = "abort"`. The host runs one export at a time, and no
//! export while an import is waiting. Memory of the module is never the truth: it may be gone at the next call.
//! docs/controllers-abi.md is the reference.

mod declarations;
mod errors;
#[doc(hidden)]
pub mod exports;
mod imports;

pub use declarations::*;
pub use errors::*;
pub use imports::*;
pub use serde_json::{self, json, Value};

use serde::{Deserialize, Serialize};

/// A controller. `setup` and `reconcile` are needed; the others have answers that mean "nothing".
pub trait Controller: Sized {
    /// Called once per instance, before anything else. An error stops the module: its configuration is bad.
    fn setup(input: Setup) -> Result<(Self, Manifest), String>;

    /// Brings the world to what one key asks for. What an error leads to is decided by `Outcome::from`.
    fn reconcile(&mut self, request: Request) -> Result<Outcome, Error>;

    /// Names the keys that a change of a watched object concerns (mapping "guest"). It reads caches only.
    fn map(&mut self, _change: Change) -> Vec<Key> {
        Vec::new()
    }

    /// Decides on a request to the API server. Caches and live reads only, no writes.
    fn admit(&mut self, _request: AdmissionRequest) -> Result<Admission, Error> {
        Err(Error::Terminal("this module admits nothing".into()))
    }

    /// Gives what `restore` needs after an idle drop, 256 KiB at most. The manifest must say `snapshot: true`.
    fn snapshot(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes a snapshot back. After an error the module goes on as after `setup`.
    fn restore(&mut self, _snapshot: &[u8]) -> Result<(), String> {
        Err("this module keeps no snapshots".into())
    }

    /// The last call, with 100 ms.
    fn stop(&mut self) {}
}

/// The input of `Controller::setup`. `reason` is "first", "wake", "trap" or "upgrade"; `snapshot` says whether `restore`
/// will be called; `open_watches` were opened by `watch_open` and survived the last instance.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Setup {
    pub module: String,
    pub node: String,
    pub config: Value,
    pub generation: i64,
    pub reason: String,
    pub snapshot: bool,
    pub open_watches: Vec<OpenWatch>,
}

/// Says which objects a watch shows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OpenWatch {
    pub id: String,
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub label_selector: String,
    pub field_selector: String,
}

/// The input of `Controller::reconcile`. `object` is the cached object of the key, null where it is gone; `sources` are
/// the ids of the watches that show it, `ambiguous` is true where they show different versions; `attempt` is 1, and grows
/// with each failure of this key since its last success; `deadline_ms` is the time left for this call.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    pub key: Key,
    pub object: Value,
    pub sources: Vec<String>,
    pub ambiguous: bool,
    pub attempt: u32,
    pub deadline_ms: i64,
}

impl Request {
    /// Whether the object of the key does not exist.
    pub fn gone(&self) -> bool {
        self.object.is_null()
    }
}

/// The answer of `Controller::reconcile`. The default is success.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Asks for the key again after that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requeue_after_ms: Option<u64>,
    /// "sync" asks for the key again once every open watch is synced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requeue_on: Option<&'static str>,
    /// A failure: the key is tried again with back-off.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Makes `error` final until the object changes.
    #[serde(skip_serializing_if = "is_false")]
    pub terminal: bool,
}

impl Outcome {
    /// Success.
    pub fn done() -> Outcome {
        Outcome::default()
    }

    /// Success; the key comes again after that time.
    pub fn requeue_after(ms: u64) -> Outcome {
        Outcome { requeue_after_ms: Some(ms), ..Outcome::default() }
    }

    /// The key comes again once every open watch is synced.
    pub fn on_sync() -> Outcome {
        Outcome { requeue_on: Some("sync"), ..Outcome::default() }
    }

    /// A failure that is final until the object changes.
    pub fn terminal(error: impl Into<String>) -> Outcome {
        Outcome { error: error.into(), terminal: true, ..Outcome::default() }
    }
}

/// The input of `Controller::map`. `change_type` is "added", "modified" or "deleted".
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Change {
    pub watch: String,
    #[serde(rename = "type")]
    pub change_type: String,
    pub old: Value,
    pub object: Value,
}

/// The input of `Controller::admit`: the request of an AdmissionReview.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdmissionRequest {
    pub uid: String,
    pub operation: String,
    pub namespace: String,
    pub name: String,
    pub object: Value,
    pub old_object: Value,
    pub user_info: Value,
    pub dry_run: bool,
}

/// The answer of `Controller::admit`. `patch` is a JSON patch.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Admission {
    pub allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patch: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Says why a request is refused.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    pub message: String,
    pub code: u16,
}

impl Admission {
    /// Admits a request as it is.
    pub fn allow() -> Admission {
        Admission { allowed: true, ..Admission::default() }
    }

    /// Refuses a request with a message and an HTTP code.
    pub fn refuse(code: u16, message: impl Into<String>) -> Admission {
        Admission { status: Some(Status { message: message.into(), code }), ..Admission::default() }
    }
}

pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

/// Registers the controller of this module: writes the exports of the guest ABI.
#[macro_export]
macro_rules! register {
    ($controller:ty) => {
        static EDGED_MODULE: $crate::exports::Module<$controller> = $crate::exports::Module::new();

        #[no_mangle]
        pub extern "C" fn edged_ctl_abi() -> i32 {
            $crate::exports::ABI
        }

        #[no_mangle]
        pub extern "C" fn edged_ctl_setup(length: u32) -> i64 {
            EDGED_MODULE.setup(length)
        }

        #[no_mangle]
        pub extern "C" fn edged_ctl_reconcile(length: u32) -> i64 {
            EDGED_MODULE.reconcile(length)
        }

        #[no_mangle]
        pub extern "C" fn edged_ctl_map(length: u32) -> i64 {
            EDGED_MODULE.map(length)
        }

        #[no_mangle]
        pub extern "C" fn edged_ctl_admit(length: u32) -> i64 {
            EDGED_MODULE.admit(length)
        }

        #[no_mangle]
        pub extern "C" fn edged_ctl_snapshot() -> i64 {
            EDGED_MODULE.snapshot()
        }

        #[no_mangle]
        pub extern "C" fn edged_ctl_restore(length: u32) -> i64 {
            EDGED_MODULE.restore(length)
        }

        #[no_mangle]
        pub extern "C" fn edged_ctl_stop() -> i64 {
            EDGED_MODULE.stop()
        }
    };
}
