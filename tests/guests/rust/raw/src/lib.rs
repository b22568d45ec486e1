//! Answers raw requests: any JSON, no AdmissionReview. Accepts `{"user": U, "action": A}` when U is in the settings,
//! and sets `"resource": "mutated"` when the request asks for it with `"mutate": true`.

use kubewarden_policy_sdk::{
    accept_request, mutate_request, protocol_version_guest, reject_request, settings::Validatable, validate_settings,
};
use serde::Deserialize;
use serde_json::{json, Value};
use wapc_guest::{register_function, CallResult};

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    valid_users: Vec<String>,
}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        match self.valid_users.is_empty() {
            true => Err("valid_users must not be empty".to_string()),
            false => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Payload {
    request: Value,
    settings: Settings,
}

#[no_mangle]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings::<Settings>);
    register_function("protocol_version", protocol_version_guest);
}

fn validate(payload: &[u8]) -> CallResult {
    let Payload { mut request, settings } = serde_json::from_slice(payload)?;
    let user = request["user"].as_str().unwrap_or_default();
    if !settings.valid_users.iter().any(|valid| valid == user) {
        return reject_request(Some(format!("user {user} is not valid")), Some(403), None, None);
    }
    if request["mutate"] == json!(true) {
        request["resource"] = json!("mutated");
        return mutate_request(request);
    }
    accept_request()
}
