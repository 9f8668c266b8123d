//! Tests that the text in a phone's fields never becomes markup or script.

use gangway::phone::facet::{DevicesState, RedirectState, Wanted};
use serde_json::json;

use crate::{
    harness::{given, options, watch},
    phone_records,
    support::gateway::Gateway,
};

const HOSTILE: &str = "\"><script>window.hacked=1</script><img src=x onerror=\"window.hacked=1\">{{7*7}}";

#[actix_rt::test]
async fn hostile_names_are_shown_as_they_are() {
    let gateway = Gateway::start_with(options()).await;
    phone_records::enter(&gateway, 0..1, |phone| {
        let now = phone.created;
        // A blocked phone is not processed by the engine, so its record stays unchanged.
        phone.wanted = Wanted::Blocked;
        let account = &mut phone.accounts[0];
        for field in [&mut account.cn, &mut account.username, &mut account.hwid, &mut account.dns, &mut account.domain]
        {
            *field = HOSTILE.into();
        }
        phone.model = Some(HOSTILE.into());
        phone.firmware = Some(HOSTILE.into());
        phone.category = Some(HOSTILE.into());
        phone.redirect.fail(RedirectState::Refused, HOSTILE, None, now);
        phone.devices.fail(DevicesState::NotInDomain, HOSTILE, None, now);
    })
    .await;
    let mac = phone_records::numbered(0);
    watch("hostile", &given(&gateway, &json!({ "hostile": HOSTILE, "mac": mac }))).await;
}
