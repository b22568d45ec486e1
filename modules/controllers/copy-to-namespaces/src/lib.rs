//! Copies Secrets and ConfigMaps into the namespaces that ask for them, and keeps the copies as their sources are.
//!
//! A source agrees by the label `edged.dev/copy=true`, and may say to which namespaces by the annotation
//! `edged.dev/copy-to`. A namespace asks by its annotation `edged.dev/copies`: `secret/infra/registry, configmap/infra/ca`.
//! A copy has the name of its source, the label `edged.dev/copied=true` and, as an annotation, where it comes from.
//! Only such an object is ever changed or deleted. README.md describes the configuration.
//!
//! Keys are namespaces: each reconcile makes the copies in one namespace what it asks for.

mod wanted;

use edged_controller::*;
use std::collections::BTreeMap;
use wanted::{Wanted, wanted_by};

const SOURCE: &str = "edged.dev/copy=true";
const COPIED_LABEL: &str = "edged.dev/copied";
const COPIED: &str = "edged.dev/copied=true";
const FROM: &str = "edged.dev/copied-from";
const COPY_TO: &str = "edged.dev/copy-to";
const COPIES: &str = "edged.dev/copies";
const TAKEN_AGAIN_MS: u64 = 300_000;
const KINDS: [&str; 2] = ["ConfigMap", "Secret"];

struct Copier {
    kinds: Vec<&'static str>,
}

register!(Copier);

impl Controller for Copier {
    fn setup(input: Setup) -> Result<(Self, Manifest), String> {
        let kinds = kinds_of(&input.config["kinds"])?;
        let mut watches = vec![Watch {
            on: vec!["/metadata/annotations".into(), "/metadata/deletionTimestamp".into()],
            mode: Some("metadata"),
            ..Watch::new("namespaces", "v1", "Namespace")
        }];
        for kind in &kinds {
            for (id, selector) in [("sources", SOURCE), ("copies", COPIED)] {
                watches.push(Watch {
                    label_selector: selector.into(),
                    map: vec![Mapping::Guest],
                    ..Watch::new(format!("{id}-{}", kind.to_lowercase()), "v1", *kind)
                });
            }
        }
        let for_ = Some(Kind::new("v1", "Namespace"));
        Ok((Copier { kinds }, Manifest { for_, watches, ..Manifest::default() }))
    }

    /// A copy concerns its namespace, a source every namespace that asks for it.
    fn map(&mut self, change: Change) -> Vec<Key> {
        if change.watch.starts_with("copies-") {
            return vec![namespace_key(text(&change.object["metadata"]["namespace"]))];
        }
        let source = Wanted::of(change.watch.trim_start_matches("sources-"), &change.object["metadata"]);
        let asked = list(&ListRequest {
            api_version: "v1".into(),
            kind: "Namespace".into(),
            fields: vec!["/metadata/name".into(), "/metadata/annotations".into()],
            ..ListRequest::default()
        });
        let Ok(namespaces) = asked else { return Vec::new() }; // every namespace is a key of its own after a sync
        let asks = |namespace: &&Value| wanted_by(text(&namespace["metadata"]["annotations"][COPIES])).contains(&source);
        namespaces.items.iter().filter(asks).map(|each| namespace_key(text(&each["metadata"]["name"]))).collect()
    }

    fn reconcile(&mut self, request: Request) -> Result<Outcome, Error> {
        let metadata = &request.object["metadata"];
        if request.gone() || !metadata["deletionTimestamp"].is_null() {
            return Ok(Outcome::done()); // the copies go with their namespace
        }
        let namespace = &request.key.name;
        let wanted = wanted_by(text(&metadata["annotations"][COPIES]));
        let mut is_taken = false;
        for kind in &self.kinds {
            let mut sources = BTreeMap::new();
            for each in wanted.iter().filter(|each| each.kind == *kind && each.namespace != *namespace) {
                if let Some(source) = source_of(each, namespace)? {
                    sources.entry(each.name.clone()).or_insert(source);
                }
            }
            is_taken |= settle_kind(kind, namespace, sources)?;
        }
        Ok(if is_taken { Outcome::requeue_after(TAKEN_AGAIN_MS) } else { Outcome::done() })
    }
}

fn kinds_of(config: &Value) -> Result<Vec<&'static str>, String> {
    if config.is_null() {
        return Ok(KINDS.to_vec());
    }
    let known = |value: &Value| KINDS.into_iter().find(|kind| value.as_str() == Some(*kind));
    let kinds: Option<Vec<_>> = config.as_array().and_then(|values| values.iter().map(known).collect());
    kinds.filter(|kinds| !kinds.is_empty()).ok_or_else(|| "config.kinds must be a list of ConfigMap and Secret".into())
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn namespace_key(name: &str) -> Key {
    Key::new("Namespace", "", name)
}

/// The source, where it is there and agrees to be copied into that namespace.
fn source_of(wanted: &Wanted, namespace: &str) -> Result<Option<Value>, Refusal> {
    let found = get(&GetRequest {
        api_version: "v1".into(),
        kind: wanted.kind.into(),
        namespace: wanted.namespace.clone(),
        name: wanted.name.clone(),
        watch: format!("sources-{}", wanted.kind.to_lowercase()),
        ..GetRequest::default()
    });
    match found {
        Ok(got) => {
            let only = got.object["metadata"]["annotations"][COPY_TO].as_str();
            let agrees = only.is_none_or(|names| names.split(',').any(|name| name.trim() == namespace));
            Ok(agrees.then_some(got.object))
        }
        Err(refusal) if refusal.code == Code::NotFound => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Makes the copies of a kind in a namespace those of the sources (by name). Whether a name is taken by somebody else.
fn settle_kind(kind: &'static str, namespace: &str, mut sources: BTreeMap<String, Value>) -> Result<bool, Refusal> {
    let copies = list(&ListRequest {
        api_version: "v1".into(),
        kind: kind.into(),
        namespace: namespace.into(),
        watch: format!("copies-{}", kind.to_lowercase()),
        ..ListRequest::default()
    })?;
    for copy in &copies.items {
        let name = text(&copy["metadata"]["name"]);
        match sources.get(name) {
            Some(source) if same_content(source, copy) => drop(sources.remove(name)),
            // The type of a Secret cannot be changed: it is created anew below.
            Some(source) if source["type"] == copy["type"] => {
                update(about(kind, namespace, name, Some(copied(kind, namespace, source)), Some(copy)))?;
                sources.remove(name);
            }
            _ => remove(kind, namespace, name, copy)?,
        }
    }
    let mut is_taken = false;
    for (name, source) in &sources {
        is_taken |= !created(kind, namespace, name, source)?;
    }
    Ok(is_taken)
}

fn same_content(source: &Value, copy: &Value) -> bool {
    ["data", "binaryData", "type"].iter().all(|field| source[*field] == copy[*field])
        && text(&copy["metadata"]["annotations"][FROM]) == origin(source)
}

fn origin(source: &Value) -> String {
    format!("{}/{}", text(&source["metadata"]["namespace"]), text(&source["metadata"]["name"]))
}

fn copied(kind: &str, namespace: &str, source: &Value) -> Value {
    let mut copy = json!({
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {
            "namespace": namespace,
            "name": source["metadata"]["name"],
            "labels": {COPIED_LABEL: "true"},
            "annotations": {FROM: origin(source)},
        },
    });
    for field in ["data", "binaryData", "type"] {
        if !source[field].is_null() {
            copy[field] = source[field].clone();
        }
    }
    copy
}

/// A write that meets the version of `known`, where there is one.
fn about(kind: &str, namespace: &str, name: &str, object: Option<Value>, known: Option<&Value>) -> WriteRequest {
    WriteRequest {
        api_version: "v1".into(),
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
        object: object.unwrap_or_default(),
        preconditions: known.map(|object| Preconditions {
            uid: text(&object["metadata"]["uid"]).into(),
            resource_version: text(&object["metadata"]["resourceVersion"]).into(),
        }),
        ..WriteRequest::default()
    }
}

fn remove(kind: &str, namespace: &str, name: &str, copy: &Value) -> Result<(), Refusal> {
    match delete(about(kind, namespace, name, None, Some(copy))) {
        Err(refusal) if refusal.code != Code::NotFound => Err(refusal),
        _ => Ok(()),
    }
}

/// False where the name is taken by an object that is no copy: it is left as it is.
fn created(kind: &str, namespace: &str, name: &str, source: &Value) -> Result<bool, Refusal> {
    match create(about(kind, namespace, name, Some(copied(kind, namespace, source)), None)) {
        Err(refusal) if refusal.code == Code::AlreadyExists => {
            emit(&Event {
                regarding: Reference {
                    api_version: "v1".into(),
                    kind: "Namespace".into(),
                    name: namespace.into(),
                    ..Reference::default()
                },
                event_type: "Warning",
                reason: "NameTaken".into(),
                note: format!("{kind} {name} is there and no copy of {}: it is left as it is", origin(source)),
                ..Event::default()
            })?;
            Ok(false)
        }
        other => other.map(|_| true),
    }
}
