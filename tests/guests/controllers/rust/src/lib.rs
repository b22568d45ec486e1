//! The conformance guest in Rust. What it does is written in tests/controllers/conformance/README.md.

use edged_controller::*;
use std::collections::BTreeMap;

struct Conformance {
    count: u64,
}

register!(Conformance);

impl Controller for Conformance {
    fn setup(input: Setup) -> Result<(Self, Manifest), String> {
        if !input.config["limit"].is_number() {
            return Err("config.limit is missing".into());
        }
        let greeting = text(&input.config["greeting"]);
        let Setup { module, node, reason, generation, open_watches, .. } = &input;
        log(Level::Info, &format!("setup {module} {node} {reason} {generation} {greeting} {}", open_watches.len()));
        Ok((Conformance { count: 0 }, manifest()))
    }

    fn reconcile(&mut self, request: Request) -> Result<Outcome, Error> {
        let key = &request.key;
        match key.name.as_str() {
            "get" => read(key, false, "")?,
            "get-live" => read(key, true, "configs")?,
            "mirror" => mirror(key, text(&settings(key, false, "")?.object["data"]["text"]))?,
            "mirror-own" => mirror(key, text(&request.object["data"]["text"]))?,
            "echo" => note(key, "Echo", text(&request.object["data"]["text"]))?,
            "list" => count_all(ListRequest {
                namespace: key.namespace.clone(),
                label_selector: "app=web".into(),
                fields: vec!["/metadata/name".into()],
                limit: Some(2),
                ..ListRequest::default()
            })?,
            "list-index" => count_all(ListRequest {
                watch: "configs".into(),
                index: Some(IndexLookup { name: "by-text".into(), value: "Grüße, 世界".into() }),
                ..ListRequest::default()
            })?,
            "watch" => return watch(key),
            "unwatch" => set("dropped", watch_close("vni-42")?, BTreeMap::new())?,
            "enqueue" => enqueue(&Key::new("ConfigMap", &*key.namespace, "later"), 1500)?,
            "ext" => note(key, "Ext", text(&ext("netfabric", "list", json!({"vni": 42}))?["text"]))?,
            "clock" => clock()?,
            "log" => {
                log(Level::Debug, "debug ä");
                log(Level::Info, "info ö");
                log(Level::Warning, "warning ü");
                log(Level::Problem, "error ß");
            }
            "gone" => log(Level::Info, if request.gone() { "gone" } else { "there" }),
            "requeue" => return Ok(Outcome::requeue_after(2500)),
            "fail" => return Err("as asked".into()),
            "terminal" => return Err(Error::Terminal("as asked".into())),
            "count" => {
                self.count += 1;
                metric("counted", "inc", self.count as f64, &BTreeMap::new())?;
            }
            "trap" => panic!("as asked"),
            _ => write_one(&request)?,
        }
        Ok(Outcome::done())
    }

    fn map(&mut self, change: Change) -> Vec<Key> {
        let object = &change.object;
        let mut names = vec![text(&change.old["data"]["target"]), text(&object["data"]["target"])];
        names.dedup();
        names.retain(|name| !name.is_empty());
        names.into_iter().map(|name| Key::new("ConfigMap", text(&object["metadata"]["namespace"]), name)).collect()
    }

    fn admit(&mut self, request: AdmissionRequest) -> Result<Admission, Error> {
        Ok(match text(&request.object["data"]["text"]) {
            "" => Admission::refuse(422, "text is missing"),
            "plain" => Admission::allow(),
            _ => Admission {
                patch: vec![json!({"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}})],
                warnings: vec![format!("labelled on {}", request.operation)],
                ..Admission::allow()
            },
        })
    }

    fn snapshot(&mut self) -> Vec<u8> {
        json!({ "count": self.count }).to_string().into_bytes()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), String> {
        let kept: Value = serde_json::from_slice(snapshot).map_err(|error| error.to_string())?;
        self.count = kept["count"].as_u64().ok_or("the snapshot has no count")?;
        Ok(())
    }

    fn stop(&mut self) {
        log(Level::Info, "stopped");
    }
}

fn manifest() -> Manifest {
    Manifest {
        for_: Some(Kind::new("v1", "ConfigMap")),
        watches: vec![
            Watch {
                map: vec![Mapping::Object],
                on: vec!["/data".into()],
                indexes: BTreeMap::from([
                    ("by-text".into(), Index::Pointers(vec!["/data/text".into()])),
                    ("by-owner".into(), Index::owner()),
                ]),
                ..Watch::new("configs", "v1", "ConfigMap")
            },
            Watch {
                label_selector: "edge=yes".into(),
                map: vec![Mapping::Guest],
                mode: Some("metadata"),
                ..Watch::new("nodes", "v1", "Node")
            },
        ],
        admits: vec![Admits {
            operations: vec!["CREATE", "UPDATE"],
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            failure_policy: Some("Ignore"),
        }],
        backoff: Some(Backoff { base_ms: 10, max_ms: 60_000 }),
        snapshot: true,
        ..Manifest::default()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn note(key: &Key, reason: &str, note: &str) -> Result<(), Refusal> {
    emit(&Event {
        regarding: Reference {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            ..Reference::default()
        },
        event_type: "Normal",
        reason: reason.into(),
        note: note.into(),
        ..Event::default()
    })
}

fn settings(key: &Key, live: bool, watch: &str) -> Result<Got, Refusal> {
    get(&GetRequest {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: key.namespace.clone(),
        name: "settings".into(),
        live,
        watch: watch.into(),
    })
}

fn read(key: &Key, live: bool, watch: &str) -> Result<(), Refusal> {
    note(key, "Read", text(&settings(key, live, watch)?.object["data"]["text"]))
}

fn mirror(key: &Key, text: &str) -> Result<(), Refusal> {
    patch(WriteRequest {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        patch_type: Some("merge"),
        patch: json!({"data": {"text": text}}),
        ..WriteRequest::default()
    })
    .map(|_| ())
}

fn set(name: &str, value: u64, labels: BTreeMap<&str, &str>) -> Result<(), Refusal> {
    metric(name, "set", value as f64, &labels)
}

fn count_all(request: ListRequest) -> Result<(), Refusal> {
    let mut request = ListRequest { api_version: "v1".into(), kind: "ConfigMap".into(), ..request };
    let mut found = 0;
    loop {
        let listed = list(&request)?;
        found += listed.items.len();
        if listed.continue_.is_empty() {
            return set("listed", found as u64, BTreeMap::from([("kind", "ConfigMap")]));
        }
        request.continue_ = listed.continue_;
    }
}

fn watch(key: &Key) -> Result<Outcome, Error> {
    let opened = watch_open(&Watch {
        namespace: key.namespace.clone(),
        label_selector: "app=web".into(),
        field_selector: "metadata.name!=x".into(),
        map: vec![
            Mapping::Owner { kind: "ConfigMap".into() },
            Mapping::Path { kind: "ConfigMap".into(), pointer: "/data/target".into() },
            Mapping::Index { watch: "configs".into(), index: "by-text".into() },
        ],
        on: vec!["/data".into(), "/metadata/labels".into()],
        where_: vec![Condition { pointer: "/data/ready".into(), eq: Some(true.into()), ..Condition::default() }],
        indexes: BTreeMap::from([(
            "vni".into(),
            Index::Pointers(vec!["/data/vni".into(), "/metadata/name".into()]),
        )]),
        keep: vec!["/metadata".into(), "/data".into()],
        selector_fallback: Some("client"),
        on_close: Some("silent"),
        ..Watch::new("vni-42", "v1", "ConfigMap")
    })?;
    Ok(if opened.synced { Outcome::done() } else { Outcome::on_sync() })
}

fn clock() -> Result<(), Refusal> {
    let (now, mono, mut bytes) = (now_ms(), mono_ms(), [0; 4]);
    random(&mut bytes)?;
    log(Level::Info, &format!("{now} {mono} {:08x}", u32::from_be_bytes(bytes)));
    Ok(())
}

fn write_one(request: &Request) -> Result<(), Refusal> {
    let (key, metadata) = (&request.key, &request.object["metadata"]);
    let of = |name: &str, more: Value| {
        let mut object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": key.namespace, "name": name},
        });
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let base = WriteRequest {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ..WriteRequest::default()
    };
    match key.name.as_str() {
        "create" => {
            let created = create(WriteRequest {
                name: "copy".into(),
                object: of("copy", json!({"data": {"text": "Grüße, 世界 🚀 \"quoted\" \\ back"}})),
                on_exists: Some("return"),
                owned_by: Some(Owner {
                    api_version: "v1".into(),
                    kind: "ConfigMap".into(),
                    name: key.name.clone(),
                    uid: text(&metadata["uid"]).into(),
                }),
                ..base
            });
            match created {
                Err(refusal) if refusal.code == Code::AlreadyExists => {
                    note(key, "Exists", text(&refusal.current["metadata"]["uid"]))
                }
                other => note(key, "Created", &other?.uid),
            }
        }
        "update" => {
            let written = update(WriteRequest {
                subresource: Some("status"),
                object: of(&key.name, json!({"status": {"phase": "Ready"}})),
                preconditions: Some(Preconditions {
                    uid: text(&metadata["uid"]).into(),
                    resource_version: text(&metadata["resourceVersion"]).into(),
                }),
                ..base
            })?;
            note(key, "Updated", &written.rv)
        }
        "patch-merge" => patch(WriteRequest {
            patch_type: Some("merge"),
            patch: json!({"metadata": {"annotations": {"seen": "yes", "old": null}}}),
            settle: Some(false),
            ..base
        })
        .map(|_| ()),
        "patch-json" => patch(WriteRequest {
            patch_type: Some("json"),
            patch: json!([
                {"op": "test", "path": "/data/text", "value": "here"}, {"op": "remove", "path": "/data/text"},
            ]),
            dry_run: true,
            ..base
        })
        .map(|_| ()),
        "apply" => {
            let object = of("applied", json!({"data": {"text": "applied"}}));
            match apply(WriteRequest { name: "applied".into(), object, force: true, ..base }) {
                Err(refusal) if refusal.code == Code::Conflict => note(key, "Conflict", &refusal.fields[0]),
                other => other.map(|_| ()),
            }
        }
        "delete" => {
            let preconditions = Preconditions { uid: text(&metadata["uid"]).into(), ..Preconditions::default() };
            match delete(WriteRequest {
                preconditions: Some(preconditions),
                propagation: Some("Background"),
                ..base
            }) {
                Err(refusal) if refusal.code == Code::NotFound => Ok(()),
                other => other.map(|_| ()),
            }
        }
        _ => Ok(()),
    }
}
