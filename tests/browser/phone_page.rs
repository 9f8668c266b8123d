//! Tests the other views: names as text, schemes, languages, narrow screens, keyboard, accessibility audit.

use gangway::phone::facet::{DevicesState, RedirectState};
use serde_json::json;

use crate::{
    harness::{given, options, watch},
    phone_records,
    support::gateway::Gateway,
};

const HOSTILE: &str = "\"><script>window.hacked=1</script><img src=x onerror=\"window.hacked=1\">{{7*7}}";

#[actix_rt::test]
async fn views_are_sound_in_every_scheme_language_and_width() {
    let gateway = Gateway::start_with(options()).await;
    phone_records::enter(&gateway, 0..1, |phone| {
        let now = phone.created;
        let account = &mut phone.accounts[0];
        for field in [&mut account.cn, &mut account.username, &mut account.hwid, &mut account.dns, &mut account.domain]
        {
            *field = HOSTILE.into();
        }
        (phone.model, phone.firmware, phone.category) =
            (Some(HOSTILE.into()), Some(HOSTILE.into()), Some(HOSTILE.into()));
        phone.redirect.fail(RedirectState::Refused, HOSTILE, None, now);
        phone.devices.fail(DevicesState::NotInDomain, HOSTILE, None, now);
    })
    .await;
    watch("phone_page", &given(&gateway, &json!({ "hostile": HOSTILE, "mac": phone_records::numbered(0) }))).await;
}
