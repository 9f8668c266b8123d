//! Actions of administrators on phones. They are stored as intent, which provisioning carries out.

use std::sync::Arc;

use gangway_base::mac::Mac;
use ipnet::IpNet;

use super::{
    ServiceDependencies,
    action::Action,
    audit, audit_texts,
    error::ServiceError,
    provisioning_codes,
    types::{Accepted, Categories, Category, FirstContactInfo, PhoneActions},
};
use crate::{
    base::i18n::{Message, MessageKey},
    devices::client::DevicesCategory,
    phone::{
        facet::{DevicesState, RedirectState, Wanted},
        instance::InstanceId,
        record::{FirstContact, Phone},
    },
    provision::commands::{self, AllowError},
    service::caller::Caller,
};

/// Parses a MAC in any notation.
///
/// # Errors
/// If it is not a MAC.
pub fn mac(typed: &str) -> Result<Mac, ServiceError> {
    typed.parse().map_err(ServiceError::BadMac)
}

/// Finds the phone with the MAC that the caller entered.
///
/// # Errors
/// If there is none.
pub fn find(deps: &ServiceDependencies, instance: InstanceId, typed: &str) -> Result<Arc<Phone>, ServiceError> {
    let mac = mac(typed)?;
    deps.store.phones().by_mac(instance, mac).ok_or(ServiceError::NoPhone(mac))
}

/// Performs an action on a phone.
///
/// # Errors
/// Why nothing was done.
pub async fn act(
    deps: &ServiceDependencies,
    person: &Caller,
    typed_mac: &str,
    typed_action: &str,
    options: &PhoneActions,
) -> Result<Accepted, ServiceError> {
    deps.require_active()?;
    let phone = find(deps, person.instance.id, typed_mac)?;
    if phone.removed_at.is_some() {
        return Err(ServiceError::PhoneIsGone(phone.mac));
    }
    let (store, now) = (&deps.store, deps.clock.now());
    let want = async |wanted: Wanted, deed: MessageKey, will: &'static str| -> Result<Message, ServiceError> {
        audit::note(store, person, phone.id, &deed.message()).await?;
        commands::want(store, phone.id, wanted).await?;
        Ok(Message::new(will))
    };
    let Some(action) = Action::named(typed_action) else {
        return Err(ServiceError::UnknownAction(typed_action.chars().take(40).collect()));
    };
    let will = match action {
        Action::Release => want(Wanted::Released, audit_texts::RELEASE, "will.release").await?,
        Action::Block => want(Wanted::Blocked, audit_texts::BLOCK, "will.block").await?,
        Action::Remove => want(Wanted::Removed, audit_texts::REMOVE, "will.remove").await?,
        Action::Activate => want(Wanted::Active, audit_texts::ACTIVATE, "will.activate").await?,
        Action::AskRegistration => {
            audit::note(store, person, phone.id, &audit_texts::ASK_REGISTRATION.message()).await?;
            commands::request_registration_check(store, phone.id, now).await?;
            Message::new("will.ask-registration")
        }
        Action::Resync => {
            audit::note(store, person, phone.id, &audit_texts::RESYNC.message()).await?;
            // The caller does not need the result; the timeline shows it.
            drop((deps.resync)(Arc::clone(&phone)));
            Message::new("will.resync")
        }
        Action::RedirectAgain => {
            let state = phone.redirect.state;
            if state == RedirectState::NotConfigured {
                return Err(ServiceError::NothingToRedirect(state.text().to_owned()));
            }
            audit::note(store, person, phone.id, &audit_texts::REDIRECT_AGAIN.message()).await?;
            store
                .phones()
                .change(phone.id, |phone, _| {
                    // Reset an entry that is believed to exist at the service as well: it may have been deleted there.
                    phone.redirect.reach(RedirectState::Pending, now);
                })
                .await?;
            Message::new("will.redirect-again")
        }
        Action::RotateCredentials => {
            if phone.former.is_some() {
                return Err(ServiceError::RotationUnderWay);
            }
            audit::note(store, person, phone.id, &audit_texts::ROTATE.message()).await?;
            commands::rotate(store, phone.id).await?;
            Message::new("will.rotate-credentials")
        }
        Action::Allow => allow(deps, person, &phone, options.first_contact.as_ref()).await?,
        Action::NewCode => new_code(deps, person, &phone, options).await?,
    };
    Ok(Accepted { will: (&will).into() })
}

async fn allow(
    deps: &ServiceDependencies,
    person: &Caller,
    phone: &Phone,
    choice: Option<&FirstContactInfo>,
) -> Result<Message, ServiceError> {
    if phone.wanted == Wanted::Blocked {
        return Err(ServiceError::AllowBlocked(phone.mac));
    }
    let first_contact = match choice {
        None | Some(FirstContactInfo::Anywhere(false)) => FirstContact::Refused,
        Some(FirstContactInfo::Anywhere(true)) => FirstContact::Allowed(None),
        Some(FirstContactInfo::Network(text)) if text.trim().is_empty() => FirstContact::Allowed(None),
        Some(FirstContactInfo::Network(text)) => match text.trim().parse::<IpNet>() {
            Ok(network) => FirstContact::Allowed(Some(network)),
            Err(_) => return Err(ServiceError::BadNetwork(text.chars().take(60).collect())),
        },
    };
    let days = deps
        .store
        .settings()
        .layers(phone.instance)
        .effective_of(&["window_days"], &crate::settings::Lookup::instance(), None)
        .u32("window_days");
    let (deed, will) = match first_contact {
        FirstContact::Refused => (audit_texts::ALLOW.message(), Message::new("will.allow").with("days", days)),
        FirstContact::Allowed(network) => {
            let from = network.map_or_else(|| "anywhere".to_owned(), |network| network.to_string());
            let will = Message::new("will.allow-first-contact")
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
        Err(AllowError::Blocked(mac)) => Err(ServiceError::AllowBlocked(mac)),
        Err(AllowError::Removed(mac)) => Err(ServiceError::PhoneIsGone(mac)),
    }
}

async fn new_code(
    deps: &ServiceDependencies,
    person: &Caller,
    phone: &Phone,
    options: &PhoneActions,
) -> Result<Message, ServiceError> {
    if matches!(phone.devices.state, DevicesState::Received | DevicesState::Lost) {
        return Err(ServiceError::CodeNotNeeded);
    }
    let category = provisioning_codes::choose(
        deps,
        phone.instance,
        options.category.as_deref(),
        provisioning_codes::category_of(phone).as_deref(),
    )
    .await?;
    let sip = phone.accounts.first().map(|account| account.username.as_str());
    audit::note(&deps.store, person, phone.id, &audit_texts::NEW_CODE.message()).await?;
    let code = provisioning_codes::fetch(deps, phone.instance, &category, sip, options.rollout).await?;
    commands::new_code(&deps.store, phone.id, code, deps.clock.now()).await?;
    Ok(Message::new("will.new-code").with("category", category.category.name))
}

/// Returns the categories of Devices that phones can be provisioned into.
///
/// # Errors
/// If Devices cannot be asked.
pub async fn categories(deps: &ServiceDependencies, instance: InstanceId) -> Result<Categories, ServiceError> {
    let found = provisioning_codes::categories(deps, instance).await?;
    let usable = found.into_iter().filter(|found| found.category.config);
    let categories = usable.map(|DevicesCategory { domain, category, .. }| Category {
        id: category.id,
        name: category.name,
        domain_id: category.domain_id,
        domain,
    });
    Ok(Categories { categories: categories.collect() })
}
