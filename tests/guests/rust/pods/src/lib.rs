//! Validates Pods and templates of Pods with the SDK's own types: rejects privileged containers and images that do
//! not begin with an allowed prefix. Logs each verdict through slog, as the SDK's users do.

use std::collections::BTreeSet;

use kubewarden_policy_sdk::{
    accept_request, logging, protocol_version_guest, reject_request, request::ValidationRequest, settings::Validatable,
    validate_settings,
};
use serde::Deserialize;
use slog::{info, o, Logger};
use wapc_guest::{register_function, CallResult};

/// Makes policies of different bytes from one source; see tests/bench/policies.
const VARIANT: &str = match option_env!("EDGED_POLICY_VARIANT") {
    Some(text) => text,
    None => "",
};

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    allow_privileged: bool,
    image_prefixes: BTreeSet<String>,
}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        match self.image_prefixes.iter().any(String::is_empty) {
            true => Err("image_prefixes must not contain an empty prefix".to_string()),
            false => Ok(()),
        }
    }
}

impl Settings {
    fn allows_image(&self, image: &str) -> bool {
        self.image_prefixes.is_empty() || self.image_prefixes.iter().any(|prefix| image.starts_with(prefix))
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
    let log = Logger::root(logging::KubewardenDrain::new(), o!("policy" => "pods", "variant" => VARIANT));
    let Some(spec) = request.extract_pod_spec_from_object()? else {
        return accept_request();
    };
    let containers = spec.init_containers.iter().flatten().chain(spec.containers.iter());
    for container in containers {
        let security = container.security_context.as_ref();
        let privileged = security.and_then(|context| context.privileged).unwrap_or(false);
        if privileged && !request.settings.allow_privileged {
            info!(log, "rejected"; "container" => &container.name, "uid" => &request.request.uid);
            return reject(format!("container {} is privileged", container.name));
        }
        let image = container.image.as_deref().unwrap_or_default();
        if !request.settings.allows_image(image) {
            info!(log, "rejected"; "image" => image, "uid" => &request.request.uid);
            return reject(format!("image {image} of container {} is not allowed", container.name));
        }
    }
    info!(log, "accepted"; "uid" => &request.request.uid);
    accept_request()
}

fn reject(message: String) -> CallResult {
    reject_request(Some(message), Some(403), None, None)
}
