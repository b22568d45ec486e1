//! The imports of the guest ABI as functions.

use crate::{is_false, Code, Key, Refusal, Watch};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use std::collections::BTreeMap;

mod host {
    #[link(wasm_import_module = "edged_ctl_v1")]
    extern "C" {
        pub fn msg_read(to: *mut u8, offset: u32, capacity: u32) -> i32;
        pub fn resp_read(to: *mut u8, offset: u32, capacity: u32) -> i32;
        pub fn watch_open(request: *const u8, length: u32) -> u64;
        pub fn watch_close(request: *const u8, length: u32) -> u64;
        pub fn get(request: *const u8, length: u32) -> u64;
        pub fn list(request: *const u8, length: u32) -> u64;
        pub fn write(request: *const u8, length: u32) -> u64;
        pub fn enqueue(request: *const u8, length: u32) -> u64;
        pub fn event(request: *const u8, length: u32) -> u64;
        pub fn metric(request: *const u8, length: u32) -> u64;
        pub fn ext(request: *const u8, length: u32) -> u64;
        pub fn log(level: u32, text: *const u8, length: u32);
        pub fn now_ms() -> i64;
        pub fn mono_ms() -> i64;
        pub fn random(to: *mut u8, length: u32) -> i32;
    }
}

type Import = unsafe extern "C" fn(*const u8, u32) -> u64;

/// Asks for one object.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetRequest {
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    pub name: String,
    /// Reads from the API server instead of the cache.
    #[serde(skip_serializing_if = "is_false")]
    pub live: bool,
    /// Reads the cache of that watch alone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub watch: String,
}

/// The answer of `get`. `sources` are the ids of the watches that show the object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Got {
    pub object: Value,
    pub rv: String,
    pub sources: Vec<String>,
}

/// Reads one object, from the cache unless `live`. `NotFound` where it is absent.
pub fn get(request: &GetRequest) -> Result<Got, Refusal> {
    call(host::get, request)
}

/// Asks for objects of a kind.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListRequest {
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label_selector: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field_selector: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexLookup>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub watch: String,
    /// Cuts items to these subtrees (JSON pointers).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(rename = "continue", skip_serializing_if = "String::is_empty")]
    pub continue_: String,
    /// Reads from the API server instead of the cache.
    #[serde(skip_serializing_if = "is_false")]
    pub live: bool,
}

/// Chooses objects by an index that a watch declares.
#[derive(Clone, Debug, Serialize)]
pub struct IndexLookup {
    pub name: String,
    pub value: String,
}

/// The answer of `list`. `continue_` is set where there is more.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Listed {
    pub items: Vec<Value>,
    pub rv: String,
    #[serde(rename = "continue")]
    pub continue_: String,
}

/// Reads objects of a kind, from the cache unless `live`.
pub fn list(request: &ListRequest) -> Result<Listed, Refusal> {
    call(host::list, request)
}

/// Must hold for a write to happen; otherwise it is a `Conflict`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
}

/// An object that owns the written one: the host adds the ownerReference.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
}

/// Asks for a change of one object. `create`, `update`, `patch`, `apply` and `delete` set `verb`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteRequest {
    pub verb: &'static str,
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<&'static str>,
    /// The object to create, update or apply.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub object: Value,
    /// "merge" or "json".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub patch: Value,
    /// Takes over fields of other managers (apply).
    #[serde(skip_serializing_if = "is_false")]
    pub force: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preconditions: Option<Preconditions>,
    /// Of a delete: "Background", "Foreground" or "Orphan".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// "return" puts the object in the way into `Refusal::current` (create).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exists: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<Owner>,
    /// `Some(false)`: the cache may show the old object for a moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<bool>,
}

/// The answer of a write.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Written {
    pub object: Value,
    pub rv: String,
    pub uid: String,
}

/// Changes one object. After success the cache of this module shows the new version.
pub fn write(request: &WriteRequest) -> Result<Written, Refusal> {
    call(host::write, request)
}

/// Creates an object. `AlreadyExists` where there is one of that name.
pub fn create(request: WriteRequest) -> Result<Written, Refusal> {
    write(&WriteRequest { verb: "create", ..request })
}

/// Replaces an object. It needs a resourceVersion, in the object or as a precondition.
pub fn update(request: WriteRequest) -> Result<Written, Refusal> {
    write(&WriteRequest { verb: "update", ..request })
}

/// Changes parts of an object.
pub fn patch(request: WriteRequest) -> Result<Written, Refusal> {
    write(&WriteRequest { verb: "patch", ..request })
}

/// Server-side apply, with `edged/MODULE` as the field manager.
pub fn apply(request: WriteRequest) -> Result<Written, Refusal> {
    write(&WriteRequest { verb: "apply", ..request })
}

/// Deletes an object.
pub fn delete(request: WriteRequest) -> Result<Written, Refusal> {
    write(&WriteRequest { verb: "delete", ..request })
}

/// The answer of `watch_open`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Opened {
    pub id: String,
    pub created: bool,
    pub synced: bool,
}

/// Opens a watch. Opening the same one again changes nothing; `WatchClash` where the id means another one.
pub fn watch_open(watch: &Watch) -> Result<Opened, Refusal> {
    call(host::watch_open, watch)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Closed {
    dropped: u64,
}

/// Closes a watch and says how many objects were visible only through it.
pub fn watch_close(id: &str) -> Result<u64, Refusal> {
    call(host::watch_close, &json!({ "id": id })).map(|closed: Closed| closed.dropped)
}

/// Adds a key to the queue of this module, after a delay.
pub fn enqueue(key: &Key, after_ms: u64) -> Result<(), Refusal> {
    tell(host::enqueue, &json!({ "key": key, "afterMs": after_ms }))
}

/// Names the object that an event regards.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// A note for people about an object. The host joins equal ones. `event_type` is "Normal" or "Warning".
#[derive(Clone, Debug, Default, Serialize)]
pub struct Event {
    pub regarding: Reference,
    #[serde(rename = "type")]
    pub event_type: &'static str,
    pub reason: String,
    pub note: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action: String,
}

/// Records an event. Losing one is fine.
pub fn emit(event: &Event) -> Result<(), Refusal> {
    tell(host::event, event)
}

/// Changes a metric of this module: `op` is "inc", "set" or "observe".
pub fn metric(name: &str, op: &str, value: f64, labels: &BTreeMap<&str, &str>) -> Result<(), Refusal> {
    let mut request = json!({ "name": name, "op": op, "value": value });
    if !labels.is_empty() {
        request["labels"] = json!(labels);
    }
    tell(host::metric, &request)
}

/// Asks an extension of the host that the module was granted.
pub fn ext(name: &str, op: &str, args: Value) -> Result<Value, Refusal> {
    call(host::ext, &json!({ "ext": name, "op": op, "args": args }))
}

/// Levels of the log.
#[derive(Clone, Copy, Debug)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Problem,
}

/// Writes a line to edged's log. The host limits how many.
pub fn log(level: Level, message: &str) {
    unsafe { host::log(level as u32, message.as_ptr(), message.len() as u32) }
}

/// The wall clock, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    unsafe { host::now_ms() }
}

/// A clock that never goes back, in milliseconds.
pub fn mono_ms() -> i64 {
    unsafe { host::mono_ms() }
}

/// Fills a buffer of 64 KiB at most.
pub fn random(buffer: &mut [u8]) -> Result<(), Refusal> {
    match unsafe { host::random(buffer.as_mut_ptr(), buffer.len() as u32) } {
        code if code < 0 => Err(Refusal { code: Code::of(code), message: "random".into(), ..Refusal::default() }),
        _ => Ok(()),
    }
}

pub(crate) fn message(length: u32) -> Vec<u8> {
    read_all(host::msg_read, length)
}

fn tell(import: Import, request: &impl Serialize) -> Result<(), Refusal> {
    ask(import, request).map(|_| ())
}

fn call<Answer: DeserializeOwned + Default>(import: Import, request: &impl Serialize) -> Result<Answer, Refusal> {
    let latch = ask(import, request)?;
    if latch.is_empty() {
        return Ok(Answer::default());
    }
    serde_json::from_slice(&latch).map_err(|error| Refusal { message: error.to_string(), ..Refusal::default() })
}

fn ask(import: Import, request: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let body = serde_json::to_vec(request).expect("requests have text for keys");
    let packed = unsafe { import(body.as_ptr(), body.len() as u32) };
    let status = (packed >> 32) as i32;
    let latch = read_all(host::resp_read, packed as u32);
    if status >= 0 {
        return Ok(latch);
    }
    let mut refusal: Refusal = serde_json::from_slice(&latch).unwrap_or_default();
    refusal.code = Code::of(status);
    Err(refusal)
}

/// Copies a latch; the host may give it in pieces.
fn read_all(read: unsafe extern "C" fn(*mut u8, u32, u32) -> i32, length: u32) -> Vec<u8> {
    let mut data = vec![0; length as usize];
    let mut have = 0;
    while have < data.len() {
        let rest = &mut data[have..];
        let copied = unsafe { read(rest.as_mut_ptr(), have as u32, rest.len() as u32) };
        assert!(copied > 0, "the host gave less than it promised");
        have += copied as usize;
    }
    data
}
