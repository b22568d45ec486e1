//! Kinds, keys, and what a module declares at set-up.

use crate::is_false;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Names a kind of objects.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kind {
    pub api_version: String,
    pub kind: String,
}

impl Kind {
    pub fn new(api_version: impl Into<String>, kind: impl Into<String>) -> Kind {
        Kind { api_version: api_version.into(), kind: kind.into() }
    }
}

/// Names an entry of the module's queue, mostly an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Key {
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(kind: impl Into<String>, namespace: impl Into<String>, name: impl Into<String>) -> Key {
        Key { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }
}

/// The answer of `Controller::setup`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The kind whose objects are the keys of this module.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<Kind>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub watches: Vec<Watch>,
    /// What `Controller::admit` is asked about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admits: Vec<Admits>,
    /// The number of instances that share the keys; None means 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Asks for `Controller::snapshot` before an idle drop.
    #[serde(skip_serializing_if = "is_false")]
    pub snapshot: bool,
    /// Allows updates without a resourceVersion.
    #[serde(skip_serializing_if = "is_false")]
    pub unconditional_updates: bool,
}

/// The delay of a failing key: `base_ms` times two for each failure, `max_ms` at most.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    pub base_ms: u64,
    pub max_ms: u64,
}

/// One rule of what a module admits.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Admits {
    pub operations: Vec<&'static str>,
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<&'static str>,
}

/// Declares a watch: which objects, which keys their changes yield, and how they are cached.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Watch {
    pub id: String,
    pub api_version: String,
    pub kind: String,
    /// "" for all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label_selector: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field_selector: String,
    /// The keys of a change; none: the object itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub map: Vec<Mapping>,
    /// Subtrees (JSON pointers): only their changes count as an update. None: all do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// Objects that do not meet these conditions yield no keys.
    #[serde(rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub where_: Vec<Condition>,
    /// What `list` looks up by `index`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub indexes: BTreeMap<String, Index>,
    /// "metadata" caches metadata only; None means "full".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// Prunes cached objects to these subtrees.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// "client" evaluates a selector locally that the API server refuses; None means "fail".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector_fallback: Option<&'static str>,
    /// "silent" leaves out what None and "enqueue" do: keys that only this watch showed are enqueued when it closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_close: Option<&'static str>,
}

impl Watch {
    /// A watch on all objects of a kind.
    pub fn new(id: impl Into<String>, api_version: impl Into<String>, kind: impl Into<String>) -> Watch {
        Watch { id: id.into(), api_version: api_version.into(), kind: kind.into(), ..Watch::default() }
    }
}

/// Names the keys that a change yields.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum Mapping {
    /// The object itself.
    #[serde(rename = "self")]
    Object,
    /// The object's controller owner of that kind.
    Owner { kind: String },
    /// The object of that kind whose name is at a JSON pointer, in the same namespace.
    Path { kind: String, pointer: String },
    /// Every object of another watch whose index has this object's namespace/name.
    Index { watch: String, index: String },
    /// What `Controller::map` says.
    Guest,
}

/// Holds for the value at a JSON pointer: it equals `eq`, or not `ne`, or it exists as `exists` says. Or one of `any`
/// holds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Condition {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eq: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ne: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Condition>,
}

/// What objects are looked up by.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Index {
    /// Values at JSON pointers, joined with "/".
    Pointers(Vec<String>),
    /// A word: `Index::owner()`.
    Word(&'static str),
}

impl Index {
    /// UID and name of the controller owner.
    pub fn owner() -> Index {
        Index::Word("owner")
    }
}
