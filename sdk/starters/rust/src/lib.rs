//! Keeps a ConfigMap named greeting in each Namespace that is labelled greet=yes, as README.md says.

use edged_controller::*;

struct Greeter {
    text: String,
}

register!(Greeter);

impl Controller for Greeter {
    /// Says what the module watches, and which keys a change means: a Namespace its own, a ConfigMap that of its owner.
    fn setup(input: Setup) -> Result<(Self, Manifest), String> {
        let text = input.config["text"].as_str().unwrap_or("Hello").to_string();
        let watches = vec![
            Watch {
                label_selector: "greet=yes".into(),
                mode: Some("metadata"),
                ..Watch::new("namespaces", "v1", "Namespace")
            },
            Watch {
                field_selector: "metadata.name=greeting".into(),
                map: vec![Mapping::Owner { kind: "Namespace".into() }],
                ..Watch::new("greetings", "v1", "ConfigMap")
            },
        ];
        let for_ = Some(Kind::new("v1", "Namespace"));
        Ok((Greeter { text }, Manifest { for_, watches, ..Manifest::default() }))
    }

    /// Compares what is with what should be, and writes the difference. An error is tried again, later and later.
    fn reconcile(&mut self, request: Request) -> Result<Outcome, Error> {
        if request.gone() {
            return Ok(Outcome::done()); // its ConfigMap goes with it
        }
        let namespace = &request.key.name;
        let found = get(&GetRequest {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: namespace.clone(),
            name: "greeting".into(),
            ..GetRequest::default()
        });
        match found {
            Ok(got) if got.object["data"]["text"] == self.text.as_str() => {}
            Ok(got) => {
                patch(WriteRequest {
                    patch_type: Some("merge"),
                    patch: json!({"data": {"text": self.text}}),
                    preconditions: Some(Preconditions { resource_version: got.rv, ..Preconditions::default() }),
                    ..greeting(namespace)
                })?;
            }
            Err(refusal) if refusal.code == Code::NotFound => self.create(namespace, &request.object)?,
            Err(refusal) => return Err(refusal.into()),
        }
        Ok(Outcome::done())
    }
}

impl Greeter {
    fn create(&self, namespace: &str, owner: &Value) -> Result<(), Refusal> {
        log(Level::Info, &format!("greeting {namespace}"));
        create(WriteRequest {
            object: json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"namespace": namespace, "name": "greeting"},
                "data": {"text": self.text},
            }),
            owned_by: Some(Owner {
                api_version: "v1".into(),
                kind: "Namespace".into(),
                name: namespace.into(),
                uid: owner["metadata"]["uid"].as_str().unwrap_or("").into(),
            }),
            ..greeting(namespace)
        })?;
        Ok(())
    }
}

fn greeting(namespace: &str) -> WriteRequest {
    WriteRequest {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: namespace.into(),
        name: "greeting".into(),
        ..WriteRequest::default()
    }
}
