//! Computes for as many rounds as the settings say (0: without end), then accepts: for deadlines and CPU budgets.

use kubewarden_policy_sdk::{
    accept_request, protocol_version_guest, request::ValidationRequest, settings::Validatable, validate_settings,
};
use serde::Deserialize;
use wapc_guest::{register_function, CallResult};

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    rounds: u64,
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
    let mut round = 0u64;
    loop {
        round = std::hint::black_box(round + 1);
        if round == request.settings.rounds {
            return accept_request();
        }
    }
}
