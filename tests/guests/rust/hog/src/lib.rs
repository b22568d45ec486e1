//! Takes as much memory as the settings say, touches every page of it, and accepts. Where the host refuses, Rust's
//! allocator aborts, which is a trap.

use kubewarden_policy_sdk::{
    accept_request, protocol_version_guest, request::ValidationRequest, settings::Validatable, validate_settings,
};
use serde::Deserialize;
use wapc_guest::{register_function, CallResult};

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    mebibytes: usize,
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
    let hoard = vec![0x5au8; request.settings.mebibytes << 20];
    std::hint::black_box(&hoard);
    accept_request()
}
