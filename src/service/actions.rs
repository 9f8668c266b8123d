//! Actions of administrators on phones. They are stored as intent, which provisioning carries out.

use std::sync::Arc;

use gangway_wire::appws::Envelope;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ServiceDependencies,
    action::Action,
    audit, audit_texts, provisioning_codes,
    response::{MessageResult, RequestError, mac, one, read, result},
    text::Text,
};
use crate::{
    base::i18n::MessageKey,
    phone::{
        facet::{DevicesState, RedirectState, Wanted},
        instance::InstanceId,
        record::{FirstContact, Phone},
    },
    provision::commands::{self, AllowError},
    service::caller::Caller,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PhoneActionRequest {
    mac: String,
    action: String,
    #[serde(default)]
    first_contact: Value,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    rollout: bool,
}

/// Finds the phone with the MAC that the caller entered.
///
/// # Errors
/// If there is none.
pub fn find(deps: &ServiceDependencies, instance: InstanceId, typed: &str) -> Result<Arc<Phone>, RequestError> {
    let mac = mac(typed)?;
    deps.store.phones().by_mac(instance, mac).ok_or_else(|| Text::new("no-phone").with("mac", mac.to_string()).into())
}

/// Performs an `Act` request.
///
/// # Errors
/// Why the action is rejected.
pub async fn act(deps: &ServiceDependencies, person: &Caller, message: &Envelope) -> MessageResult {
    let act: PhoneActionRequest = read(message)?;
    let phone = find(deps, person.instance.id, &act.mac)?;
    if phone.buried.is_some() {
        return Err(Text::new("phone-is-gone").with("mac", phone.mac.to_string()).into());
    }
    let (store, now) = (&deps.store, deps.clock.now());
    let want = async |wanted: Wanted, deed: MessageKey, will: &'static str| -> Result<Text, RequestError> {
        audit::note(store, person, phone.id, &deed.message()).await?;
        commands::want(store, phone.id, wanted).await?;
        Ok(Text::new(will))
    };
    let Some(action) = Action::named(&act.action) else {
        let action: String = act.action.chars().take(40).collect();
        return Err(Text::new("unknown-action").with("action", action).into());
    };
    let will = match action {
        Action::Release => want(Wanted::Released, audit_texts::RELEASE, "will.release").await?,
        Action::Block => want(Wanted::Blocked, audit_texts::BLOCK, "will.block").await?,
        Action::Remove => want(Wanted::Removed, audit_texts::REMOVE, "will.remove").await?,
        Action::Activate => want(Wanted::Active, audit_texts::ACTIVATE, "will.activate").await?,
        Action::AskRegistration => {
            audit::note(store, person, phone.id, &audit_texts::ASK_REGISTRATION.message()).await?;
            commands::request_registration_check(store, phone.id, now).await?;
            Text::new("will.ask-registration")
        }
        Action::Resync => {
            audit::note(store, person, phone.id, &audit_texts::RESYNC.message()).await?;
            (deps.resync)(Arc::clone(&phone)).await?;
            Text::new("will.resync")
        }
        Action::RedirectAgain => {
            let state = phone.redirect.state;
            if state == RedirectState::NotConfigured {
                return Err(Text::new("nothing-to-redirect").with("state", state.text()).into());
            }
            audit::note(store, person, phone.id, &audit_texts::REDIRECT_AGAIN.message()).await?;
            store
                .phones()
                .change(phone.id, |phone, _| {
                    // Reset an entry that is believed to exist at the service as well: it may have been deleted there.
                    phone.redirect.reach(RedirectState::Pending, now);
                })
                .await?;
            Text::new("will.redirect-again")
        }
        Action::RotateCredentials => {
            if phone.former.is_some() {
                return Err(Text::new("rotation-under-way").into());
            }
            audit::note(store, person, phone.id, &audit_texts::ROTATE.message()).await?;
            commands::rotate(store, phone.id).await?;
            Text::new("will.rotate-credentials")
        }
        Action::Allow => allow(deps, person, &phone, &act.first_contact).await?,
        Action::NewCode => new_code(deps, person, &phone, &act).await?,
    };
    one(result(message).field("will", will))
}

async fn allow(
    deps: &ServiceDependencies,
    person: &Caller,
    phone: &Phone,
    choice: &Value,
) -> Result<Text, RequestError> {
    if phone.wanted == Wanted::Blocked {
        return Err(Text::new("allow-blocked").with("mac", phone.mac.to_string()).into());
    }
    let first_contact = match choice {
        Value::Null | Value::Bool(false) => FirstContact::Refused,
        Value::Bool(true) => FirstContact::Allowed(None),
        Value::String(text) if text.trim().is_empty() => FirstContact::Allowed(None),
        Value::String(text) => match text.trim().parse::<IpNet>() {
            Ok(network) => FirstContact::Allowed(Some(network)),
            Err(_) => {
                return Err(Text::new("bad-network").with("network", text.chars().take(60).collect::<String>()).into());
            }
        },
        other => return Err(Text::new("bad-network").with("network", other.to_string()).into()),
    };
    let days = deps
        .store
        .settings()
        .layers(phone.instance)
        .effective_of(&["window_days"], &crate::settings::Lookup::instance(), None)
        .u32("window_days");
    let (deed, will) = match first_contact {
        FirstContact::Refused => (audit_texts::ALLOW.message(), Text::new("will.allow").with("days", days)),
        FirstContact::Allowed(network) => {
            let from = network.map_or_else(|| "anywhere".to_owned(), |network| network.to_string());
            let will = Text::new("will.allow-first-contact")
                .with("days", days)
                .with("mac", phone.mac.to_string())
                .with("from", from.clone());
            let deed = network
                .map_or_else(|| audit_texts::ALLOW_ANYWHERE.message(), |_| audit_texts::ALLOW_FROM.with("from", from));
            (deed, will)
        }
    };
    audit::note(&deps.store, person, phone.id, &deed).await?;
    match commands::allow(&deps.store, phone.id, first_contact, deps.clock.now()).await {
        Ok(()) => Ok(will),
        Err(AllowError::Store(error)) => Err(error.into()),
        Err(AllowError::Blocked(mac)) => Err(Text::new("allow-blocked").with("mac", mac.to_string()).into()),
        Err(AllowError::Removed(mac)) => Err(Text::new("phone-is-gone").with("mac", mac.to_string()).into()),
    }
}

async fn new_code(
    deps: &ServiceDependencies,
    person: &Caller,
    phone: &Phone,
    act: &PhoneActionRequest,
) -> Result<Text, RequestError> {
    if matches!(phone.devices.state, DevicesState::Received | DevicesState::Lost) {
        return Err(Text::new("code-not-needed").into());
    }
    let category =
        provisioning_codes::choose(deps, phone.instance, act.category.as_deref(), phone.category.as_deref()).await?;
    let sip = phone.accounts.first().map(|account| account.username.as_str());
    audit::note(&deps.store, person, phone.id, &audit_texts::NEW_CODE.message()).await?;
    let code = provisioning_codes::fetch(deps, phone.instance, &category, sip, act.rollout).await?;
    commands::new_code(&deps.store, phone.id, code, deps.clock.now()).await?;
    Ok(Text::new("will.new-code").with("category", category.name))
}

/// Answers `Categories`.
///
/// # Errors
/// If Devices cannot be asked.
pub async fn categories(deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
    let found = provisioning_codes::categories(deps, instance).await?;
    let domains = deps.devices.domain_names(instance);
    let rows: Vec<Value> = found
        .iter()
        .filter(|category| category.config)
        .map(|category| {
            let domain = category.domain_id.and_then(|id| domains.get(&id));
            json!({ "id": category.id, "name": category.name, "domainId": category.domain_id, "domain": domain })
        })
        .collect();
    super::response::list(result(message), "categories", &rows)
}
