//! Creates realistic phone records for a gateway.

use std::net::IpAddr;

use futures_util::future::join_all;
use gangway::{
    phone::{
        facet::{DevicesState, RedirectState, RegistrationState, RequestState, UserObjectState, Wanted},
        record::{Delivery, Flags, Phone, new_token},
    },
    store::{RequestNote, Store},
};
use gangway_base::mac::Mac;
use jiff::{SignedDuration, Timestamp};

use crate::support::gateway::Gateway;

const FIRST: [&str; 12] =
    ["Anna", "Björn", "Clara", "David", "Elif", "Frank", "Grete", "Hakan", "Inge", "Jonas", "Käthe", "Lukas"];
const LAST: [&str; 11] =
    ["Albrecht", "Bauer", "Çelik", "Dietz", "Engel", "Fuchs", "Groß", "Huber", "Iversen", "Jäger", "Köhler"];
const MODELS: [(&str, &str, &str); 5] = [
    ("yealink", "T46U", "108.86.0.90"),
    ("yealink", "T54W", "96.86.0.75"),
    ("snom", "D785", "10.1.198.19"),
    ("yealink", "T31P", "124.86.0.40"),
    ("snom", "D735", "10.1.184.15"),
];
/// Number of records created at once; the store writes them in groups.
const GROUP: usize = 500;

/// Returns the MAC address of the phone with this number.
pub fn numbered(number: usize) -> Mac {
    let [.., high, middle, low] = number.to_be_bytes();
    Mac::new([0x80, 0x5e, 0xc0, high, middle, low]).unwrap()
}

/// Creates a phone record; every tenth has some kind of problem.
pub fn phone(gateway: &Gateway, number: usize, now: Timestamp) -> Phone {
    let ago = |minutes: usize| now - SignedDuration::from_mins(i64::try_from(minutes).unwrap());
    let mut phone = Phone::sample_at(ago(60 * 24 * 30));
    let (vendor, model, firmware) = MODELS[number * 7 % MODELS.len()];
    (phone.instance, phone.mac, phone.token) = (gateway.records().instance, numbered(number), new_token());
    (phone.vendor, phone.provider) = (vendor.into(), vendor.into());
    (phone.model, phone.firmware) = (Some(model.into()), Some(firmware.into()));
    phone.category = Some(["Office", "Meeting rooms", "Workshop"][number % 3].into());
    let account = &mut phone.accounts[0];
    let (first, last) = (FIRST[number * 5 % FIRST.len()], LAST[number * 3 % LAST.len()]);
    account.cn = format!("{first} {last}");
    account.username = format!("user.{number:05}");
    account.hwid = phone.mac.to_string();
    account.flags_written = Some(Flags { media_relay: true, tls_only: true, reverse_proxy: true });
    (account.provisioning, account.flags_provisioning) = (1, 1);
    account.user_object.reach(UserObjectState::Applied, ago(number % 600 + 9));
    account.registration.reach(RegistrationState::Registered, ago(number % 600 + 8));
    phone.devices.reach(DevicesState::Received, ago(number % 600 + 20));
    phone.device_config.received = Some(ago(number % 600 + 20));
    // Devices knows the phone, but its address is unknown to the gateway, so the state does not change.
    phone.sysclient.password = Some("sysclient password".into());
    phone.devices.error = Some("No PBX is connected, so Devices is not known.".into());
    phone.redirect.reach(RedirectState::Redirected, ago(number % 600 + 15));
    phone.request.reach(RequestState::Provisioned, ago(number % 600 + 10));
    phone.delivery =
        Some(Delivery { at: ago(number % 600 + 10), revision: phone.revision, provisioning: 1, etag: "x".into() });
    if number % 10 == 3 {
        trouble(&mut phone, number / 10, ago(number % 90 + 5));
    }
    phone
}

fn trouble(phone: &mut Phone, kind: usize, since: Timestamp) {
    phone.window.open(since, 7);
    let account = &mut phone.accounts[0];
    match kind % 5 {
        0 => {
            let sentence = "Another account at the redirect service holds this phone.";
            phone.redirect.fail(RedirectState::ForeignOwner, sentence, None, since);
            phone.request.reach(RequestState::NotYet, since);
            phone.delivery = None;
        }
        1 => {
            phone.sysclient.password = None;
            phone.devices.fail(DevicesState::NotInDomain, "Devices did not answer the code within 20 s.", None, since);
        }
        2 => {
            account.user_object.fail(
                UserObjectState::NotPermitted,
                "The app object lacks the flag Admin.",
                None,
                since,
            );
        }
        3 => phone.wanted = Wanted::Blocked,
        _ => account.registration.reach(RegistrationState::NotRegistered, since),
    }
}

/// Waits until the engine has stored which redirect accounts were tried. Before that, it would treat a rejected phone
/// as rejected by another account.
async fn accounts_are_known(gateway: &Gateway) {
    let records = gateway.records();
    let layers = records.store.settings().layers(records.instance);
    for vendor in ["yealink", "snom"] {
        let password = layers.get(&format!("redirect.{vendor}.password"));
        if password.is_some_and(|password| !password.expose().is_empty()) {
            let is_known = |store: &Store| store.learned().tried_account(records.instance, vendor).is_some();
            records.wait_learned(&format!("the account at {vendor} to be known"), is_known).await;
        }
    }
}

/// Creates phones with these numbers.
pub async fn enter(gateway: &Gateway, numbers: std::ops::Range<usize>, change: impl Fn(&mut Phone)) {
    accounts_are_known(gateway).await;
    let store = &gateway.records().store;
    let now = gangway_base::clock::Clock::now(&gangway_base::clock::SystemClock);
    let numbers: Vec<usize> = numbers.collect();
    for group in numbers.chunks(GROUP) {
        let entered = join_all(group.iter().map(|number| {
            let mut phone = phone(gateway, *number, now);
            change(&mut phone);
            store.phones().create(phone, Vec::new())
        }));
        for (phone, number) in entered.await.into_iter().zip(group) {
            let phone = phone.unwrap();
            if let Some(delivery) = &phone.delivery {
                seen(gateway, &phone, IpAddr::from([192, 0, 2, u8::try_from(number % 250).unwrap()]), delivery.at);
            }
        }
    }
}

/// Records a request of a phone.
pub fn seen(gateway: &Gateway, phone: &Phone, address: IpAddr, at: Timestamp) {
    gateway.records().store.requests().note(RequestNote {
        instance: phone.instance,
        phone: Some(phone.id),
        at,
        address,
        user_agent: None,
        file: format!("{}.cfg", phone.mac).into(),
        outcome: "delivered",
    });
}
