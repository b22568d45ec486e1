//! What a namespace asks for.

use crate::{text, KINDS};
use edged_controller::Value;

/// One Secret or ConfigMap.
#[derive(PartialEq)]
pub struct Wanted {
    pub kind: &'static str,
    pub namespace: String,
    pub name: String,
}

impl Wanted {
    /// `kind` in any case.
    pub fn of(kind: &str, metadata: &Value) -> Wanted {
        let kind = KINDS.into_iter().find(|known| known.eq_ignore_ascii_case(kind)).unwrap_or("");
        Wanted { kind, namespace: text(&metadata["namespace"]).into(), name: text(&metadata["name"]).into() }
    }
}

/// Of an annotation such as `secret/infra/registry, configmap/infra/ca`. What is no such entry asks for nothing.
pub fn wanted_by(annotation: &str) -> Vec<Wanted> {
    annotation.split(',').filter_map(|entry| {
        let mut parts = entry.trim().split('/');
        let (kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = KINDS.into_iter().find(|known| known.eq_ignore_ascii_case(kind))?;
        let is_whole = parts.next().is_none() && !namespace.is_empty() && !name.is_empty();
        is_whole.then(|| Wanted { kind, namespace: namespace.into(), name: name.into() })
    }).collect()
}
