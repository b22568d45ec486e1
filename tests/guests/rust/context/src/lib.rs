//! Asks the cluster through each of the SDK's Kubernetes calls. The settings say which; what came back goes into the
//! rejection message, so that a test sees it without a log. The calls' own errors fail the evaluation.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kubewarden_policy_sdk::{
    accept_request,
    host_capabilities::kubernetes::{
        can_i, get_resource, list_all_resources, list_resources_by_namespace, CanIRequest, GetResourceRequest,
        ListAllResourcesRequest, ListResourcesByNamespaceRequest, ResourceAttributes, SubjectAccessReview,
    },
    protocol_version_guest, reject_request,
    request::ValidationRequest,
    settings::Validatable,
    validate_settings,
};
use serde::Deserialize;
use wapc_guest::{register_function, CallResult};

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum Question {
    /// The labels of the request's namespace.
    #[default]
    GetNamespace,
    /// The Pods of the request's namespace.
    ListPods,
    /// All Namespaces.
    ListNamespaces,
    /// Whether the user may delete the request's object.
    MayDelete,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    question: Question,
    label_selector: Option<String>,
    field_selector: Option<String>,
    field_masks: Option<BTreeSet<String>>,
    disable_cache: bool,
    /// How often the same question is asked in one evaluation; 0 counts as 1.
    repeat: u32,
    accept: bool,
}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

#[no_mangle]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings::<Settings>);
    register_function("protocol_version", protocol_version_guest);
}

fn validate(payload: &[u8]) -> CallResult {
    let request: ValidationRequest<Settings> = ValidationRequest::new(payload)?;
    let mut answer = String::new();
    for _ in 0..request.settings.repeat.max(1) {
        answer = match request.settings.question {
            Question::GetNamespace => namespace_labels(&request)?,
            Question::ListPods => pod_names(&request)?,
            Question::ListNamespaces => namespace_names(&request)?,
            Question::MayDelete => may_delete(&request)?,
        };
    }
    match request.settings.accept {
        true => accept_request(),
        false => reject_request(Some(answer), None, None, None),
    }
}

fn namespace_labels(request: &ValidationRequest<Settings>) -> kubewarden_policy_sdk::Result<String> {
    let namespace: Namespace = get_resource(&GetResourceRequest {
        api_version: "v1".to_string(),
        kind: "Namespace".to_string(),
        name: request.request.namespace.clone(),
        namespace: None,
        disable_cache: request.settings.disable_cache,
        field_masks: request.settings.field_masks.clone(),
    })?;
    let labels = namespace.metadata.labels.unwrap_or_default();
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Ok(pairs.join(","))
}

fn pod_names(request: &ValidationRequest<Settings>) -> kubewarden_policy_sdk::Result<String> {
    let pods: k8s_openapi::List<Pod> = list_resources_by_namespace(&ListResourcesByNamespaceRequest {
        api_version: "v1".to_string(),
        kind: "Pod".to_string(),
        namespace: request.request.namespace.clone(),
        label_selector: request.settings.label_selector.clone(),
        field_selector: request.settings.field_selector.clone(),
        field_masks: request.settings.field_masks.clone(),
    })?;
    Ok(sorted(pods.items.into_iter().filter_map(|pod| pod.metadata.name)))
}

fn namespace_names(request: &ValidationRequest<Settings>) -> kubewarden_policy_sdk::Result<String> {
    let namespaces: k8s_openapi::List<Namespace> = list_all_resources(&ListAllResourcesRequest {
        api_version: "v1".to_string(),
        kind: "Namespace".to_string(),
        label_selector: request.settings.label_selector.clone(),
        field_selector: request.settings.field_selector.clone(),
        field_masks: request.settings.field_masks.clone(),
    })?;
    Ok(sorted(namespaces.items.into_iter().filter_map(|namespace| namespace.metadata.name)))
}

fn may_delete(request: &ValidationRequest<Settings>) -> kubewarden_policy_sdk::Result<String> {
    let status = can_i(CanIRequest {
        subject_access_review: SubjectAccessReview {
            user: request.request.user_info.username.clone(),
            groups: Some(request.request.user_info.groups.iter().cloned().collect()),
            resource_attributes: ResourceAttributes {
                namespace: Some(request.request.namespace.clone()),
                name: Some(request.request.name.clone()),
                resource: "pods".to_string(),
                verb: "delete".to_string(),
                ..Default::default()
            },
        },
        disable_cache: request.settings.disable_cache,
    })?;
    Ok(format!("allowed={}", status.allowed))
}

fn sorted(names: impl Iterator<Item = String>) -> String {
    names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(",")
}
