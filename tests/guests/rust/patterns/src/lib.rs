//! Needs long before its first answer: compiles 50 regular expressions when it first looks at a name, as policies do
//! that check images or host names. Rejects an object whose name matches one of them. Each fresh instance pays again.

use std::sync::LazyLock;

use kubewarden_policy_sdk::{
    accept_request, protocol_version_guest, reject_request, request::ValidationRequest, settings::Validatable,
    validate_settings,
};
use regex::Regex;
use serde::Deserialize;
use wapc_guest::{register_function, CallResult};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {}

impl Validatable for Settings {
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    (0..50).map(|number| Regex::new(&format!(r"^(?:\w+/)?forbidden-{number}-\w+$")).unwrap()).collect()
});

#[no_mangle]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings::<Settings>);
    register_function("protocol_version", protocol_version_guest);
}

fn validate(payload: &[u8]) -> CallResult {
    let request: ValidationRequest<Settings> = ValidationRequest::new(payload)?;
    let name = request.request.object["metadata"]["name"].as_str().unwrap_or("");
    match PATTERNS.iter().find(|pattern| pattern.is_match(name)) {
        Some(pattern) => reject_request(Some(format!("the name matches {}", pattern.as_str())), None, None, None),
        None => accept_request(),
    }
}
