//! The data of a phone for `gangway phones` and the diagnostics bundle.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    phone::{facets::FacetView, record::Phone},
    settings::firmware::FirmwareState,
};

fn facet(facet: FacetView<'_>) -> Value {
    json!({
        "state": facet.text,
        "since": facet.since.to_string(),
        "error": facet.error,
        "next_attempt": facet.next_attempt.map(|at| at.to_string()),
    })
}

/// Returns everything except secrets. `asked` is the time and address of its last request.
#[must_use]
pub fn shown(phone: &Phone, firmware: &FirmwareState, asked: Option<(Timestamp, &str)>) -> Value {
    json!({
        "mac": phone.mac,
        "provider": phone.provider,
        "vendor": phone.vendor,
        "model": phone.model,
        "firmware": phone.firmware,
        "firmware_wanted": firmware.wanted,
        "firmware_current": firmware.current,
        "category": phone.category,
        "wanted": phone.wanted.as_str(),
        "removed_at": phone.buried.map(|at| at.to_string()),
        "created": phone.created.to_string(),
        "credentials_changing": phone.former.is_some(),
        "window_until": phone.window.until.filter(|_| phone.window.closed.is_none()).map(|at| at.to_string()),
        "device_config": facet(phone.devices.view()),
        "redirect": facet(phone.redirect.view()),
        "phone_requests": facet(phone.request.view()),
        "last_request": asked.map(|(at, _)| at.to_string()),
        "address": asked.map(|(_, address)| address),
        "delivered_at": phone.delivery.as_ref().map(|delivery| delivery.at.to_string()),
        "accounts": phone.accounts.iter().map(|account| json!({
            "line": account.line,
            "hwid": account.hwid,
            "user": account.username,
            "name": account.cn,
            "pbx": account.dns,
            "pbx_flags": facet(account.user_object.view()),
            "registered": facet(account.registration.view()),
            "registered_address": account.registered_address,
            "orphaned": account.orphaned.map(|orphaned| json!({
                "since": orphaned.since.to_string(),
                "gone": orphaned.gone.as_str(),
                "sentence": orphaned.gone.text(),
            })),
            "withheld_since": account.withheld.map(|at| at.to_string()),
        })).collect::<Vec<_>>(),
    })
}
