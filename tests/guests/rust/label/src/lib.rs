//! Mutates: sets one label on whatever object it is given, and leaves alone what has it. With settings
//! `{"reject": true}` it mutates and rejects at once, which the SDK does not stop.

use kubewarden_policy_sdk::{
    accept_request, mutate_request, protocol_version_guest, request::ValidationRequest, response::ValidationResponse,
    settings::Validatable, validate_settings,
};
use serde::Deserialize;
use serde_json::{json, Value};
use wapc_guest::{register_function, CallResult};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    key: String,
    value: String,
    reject: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { key: "edged.dev/seen".to_string(), value: "yes".to_string(), reject: false }
    }
}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        match self.key.is_empty() {
            true => Err("key must not be empty".to_string()),
            false => Ok(()),
        }
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
    let Settings { key, value, reject } = &request.settings;
    let mut object = request.request.object.clone();
    if object["metadata"]["labels"][key] == Value::String(value.clone()) {
        return accept_request();
    }
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"][key] = Value::String(value.clone());
    if !reject {
        return mutate_request(object);
    }
    Ok(serde_json::to_vec(&ValidationResponse {
        accepted: false,
        message: Some("mutated and rejected".to_string()),
        code: None,
        mutated_object: Some(object),
        audit_annotations: None,
        warnings: None,
    })?)
}
