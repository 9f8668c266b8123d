//! The api `com.innovaphone.provisioning`: parses a ProvisioningPhone, passes it to provisioning, and always sends an
//! answer.

use gangway_wire::appws::{
    Envelope, SessionKey,
    provisioning::{ProvisioningPhone, result},
};

use crate::{
    base::telemetry::metric::{Metric, increment},
    phone::instance::InstanceId,
    provision::{ProvisionRequest, Provisioning},
};

/// Whether the message belongs to this api. Its `api` may be missing or have any value.
#[must_use]
pub fn is_request(message: &Envelope) -> bool {
    ProvisioningPhone::is(message)
}

/// The answer to a request that exceeds the limit.
#[must_use]
pub fn too_many(message: &Envelope) -> String {
    result(message, Err("too many provisioning requests are open on this connection: wait for their answers")).text()
}

/// Processes one request and resolves to its answer. The password can be decrypted only with the key of this
/// connection.
pub async fn answer(
    message: Envelope,
    instance: InstanceId,
    provider: String,
    key: SessionKey,
    provisioning: Provisioning,
) -> String {
    let outcome = match ProvisioningPhone::parse(&message, &key) {
        Ok(phone) => {
            let request = ProvisionRequest {
                instance,
                provider,
                mac: phone.mac,
                code: phone.code,
                code_facts: None,
                hwid: phone.hwid,
                username: phone.username,
                cn: phone.cn,
                password: phone.password,
                domain: phone.domain,
                dns: phone.dns,
            };
            provisioning.request(request).await
        }
        Err(error) => Err(error.to_string()),
    };
    increment(Metric::ProvisionRequests, &[("result", if outcome.is_ok() { "ok" } else { "failed" })]);
    result(&message, outcome.as_ref().map(|_done| ()).map_err(String::as_str)).text()
}
