//! Lists phones, shows one, and changes what is wanted of it.

use std::{sync::Arc, time::Duration};

use gangway_base::mac::Mac;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, CommandErrorKind, CommandService, NO_GATEWAY, PhoneChangeKind, Replies};
use crate::{
    phone::{
        facet::Wanted,
        record::{FirstContact, Phone},
    },
    provision::{commands, migration_progress},
    service::{audit, caller::Caller, phone_export::PhoneExport},
    settings::firmware::FirmwareState,
};

/// How long a command waits for the gateway or a phone.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Number of entries of the timeline that are shown.
const EVENTS: u32 = 50;

/// Everything known about a phone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhoneReport {
    /// The phone.
    pub phone: PhoneExport,
    /// The URL that its files come from, if it is known.
    pub url: Option<String>,
    /// Why that URL is not known, or what is wrong with it.
    pub url_problem: Option<String>,
    /// The newest entries of its timeline, newest first.
    pub events: Vec<EventExport>,
    /// The file of its last request.
    pub last_file: Option<String>,
}

/// An entry of a timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventExport {
    /// When.
    pub at: Timestamp,
    /// The kind.
    pub kind: String,
    /// What happened.
    pub text: String,
}

impl CommandService {
    /// Finds a phone of the caller's instance.
    pub(super) fn find(&self, caller: &Caller, mac: Mac) -> Result<Arc<Phone>, CommandError> {
        let instance = &caller.instance;
        self.store.phones().by_mac(instance.id, mac).ok_or_else(|| {
            CommandError::rejected(format!(
                "no phone {mac} in {}: `gangway phones list` shows what there is",
                instance.label()
            ))
        })
    }

    fn export(&self, phone: &Phone) -> PhoneExport {
        let firmware = FirmwareState::of_phone(&self.store.settings().layers(phone.instance), phone);
        let asked = self.store.requests().last(phone.id);
        PhoneExport::of(phone, &firmware, asked.as_ref().map(|facts| (facts.at, facts.address.as_str())))
    }

    pub(super) async fn list_phones(
        &self,
        caller: &Caller,
        removed: bool,
        replies: &Replies,
    ) -> Result<usize, CommandError> {
        let mut phones = self.store.phones().in_instance(caller.instance.id);
        phones.retain(|phone| removed || phone.removed_at.is_none());
        phones.sort_by_key(|phone| phone.mac);
        replies.rows(phones.iter().map(|phone| json!(self.export(phone)))).await;
        self.note_migration(caller, replies).await;
        Ok(phones.len())
    }

    /// Sends the progress of a bulk move, if there is one.
    pub(super) async fn note_migration(&self, caller: &Caller, replies: &Replies) {
        let id = caller.instance.id;
        let moving = migration_progress::moving(&self.store, &(self.urls)(id), id);
        if let Some(sentence) = moving.message() {
            replies.note(format!("{sentence}; the others follow by themselves.")).await;
        }
    }

    pub(super) async fn show_phone(&self, caller: &Caller, mac: Mac) -> Result<PhoneReport, CommandError> {
        let phone = self.find(caller, mac)?;
        let events = self.store.phones().events(phone.id, EVENTS).await?;
        let urls = (self.urls)(phone.instance);
        let scheme = self.store.settings().layers(phone.instance).scheme_of(&phone);
        let events = events.into_iter().map(|event| EventExport { at: event.at, kind: event.kind, text: event.text });
        Ok(PhoneReport {
            phone: self.export(&phone),
            url: urls.base(&phone.provider, scheme).ok(),
            url_problem: urls.problem(&phone.provider, scheme),
            events: events.collect(),
            last_file: self.store.requests().last(phone.id).map(|facts| facts.file.clone()),
        })
    }

    pub(super) async fn change_phone(
        &self,
        caller: &Caller,
        mac: Mac,
        change: PhoneChangeKind,
        wait: bool,
        replies: &Replies,
    ) -> Result<bool, CommandError> {
        let phone = self.find(caller, mac)?;
        let first_contact = match change {
            PhoneChangeKind::Allow => Some(FirstContact::Refused),
            PhoneChangeKind::AllowWithoutToken { from } => Some(FirstContact::Allowed(from)),
            _ => None,
        };
        if first_contact.is_some() {
            commands::may_be_allowed(&phone).map_err(|error| CommandError::rejected(error.to_string()))?;
        }
        if change == PhoneChangeKind::Activate && (phone.wanted == Wanted::Removed || phone.removed_at.is_some()) {
            let sentence = format!("{} has been removed: provision it again in Profile or UsersAdmin", phone.mac);
            return Err(CommandError::rejected(sentence));
        }
        audit::entry(&self.store, caller, &phone.mac.to_string(), &deed(&change)).await?;
        let failed = |error: &dyn std::error::Error| {
            CommandError::caused(format!("the record of {mac} cannot be changed"), error)
        };
        if let Some(first_contact) = first_contact {
            let allowed = commands::allow(&self.store, phone.id, first_contact, self.clock.now()).await;
            allowed.map_err(|error| failed(&error))?;
        } else if let Some(wanted) = change.wanted() {
            commands::want(&self.store, phone.id, wanted).await.map_err(|error| failed(&error))?;
        } else if let PhoneChangeKind::RemoveUser { user } = &change {
            let removed = commands::release_or_remove(&self.store, phone.id, user).await;
            removed.map_err(|error| failed(&error))?;
        }
        if wait {
            self.wait_carried_out(&phone, replies).await?;
        }
        Ok(self.store.phones().get(phone.id).is_some_and(|phone| commands::lacks_passwords(&phone)))
    }

    async fn wait_carried_out(&self, phone: &Phone, replies: &Replies) -> Result<(), CommandError> {
        self.require_gateway_for_written()?;
        let is_done = || self.store.phones().get(phone.id).is_none_or(|now| commands::is_carried_out(&now));
        if self.wait_for(is_done, replies).await {
            return Ok(());
        }
        Err(CommandError::failed(format!(
            "not carried out within a minute; `gangway phones show {}` tells what is in the way",
            phone.mac
        )))
    }

    /// The error of a command whose change is written, and which waits for a gateway that does not run.
    pub(super) fn require_gateway_for_written(&self) -> Result<(), CommandError> {
        match self.gateway {
            Some(_) => Ok(()),
            None => {
                let sentence = format!("written, but {NO_GATEWAY}; it then carries it out");
                Err(CommandError::new(CommandErrorKind::NeedsGateway, sentence))
            }
        }
    }

    /// Waits until the records meet a condition, for at most a minute. Returns whether they do. Ends early when the
    /// command has gone.
    pub(super) async fn wait_for(&self, is_so: impl Fn() -> bool, replies: &Replies) -> bool {
        let mut changes = self.store.phones().changes();
        let deadline = self.clock.now().saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
        loop {
            if is_so() {
                return true;
            }
            tokio::select! {
                // A receiver that lags has missed changes; the condition is checked again all the same.
                _ = changes.recv() => {}
                () = self.clock.sleep_until(deadline) => return is_so(),
                () = replies.closed() => return false,
            }
        }
    }

    pub(super) async fn resync_phone(
        &self,
        caller: &Caller,
        mac: Mac,
        wait: bool,
        replies: &Replies,
    ) -> Result<Option<String>, CommandError> {
        let phone = self.find(caller, mac)?;
        let gateway = self.gateway("the phone cannot be told")?;
        audit::entry(&self.store, caller, &mac.to_string(), "Have the phone come now").await?;
        let result = (gateway.0.deps.resync)(phone);
        if !wait {
            return Ok(None);
        }
        let result = tokio::select! {
            result = result => result,
            () = replies.closed() => return Ok(None),
        };
        match result {
            Ok(result) if result.came => Ok(Some(result.sentence)),
            Ok(result) => Err(CommandError::failed(result.sentence)),
            Err(_stopped) => Err(CommandError::failed("the gateway stops: start it again, and repeat the command")),
        }
    }

    pub(super) async fn rotate_credentials(
        &self,
        caller: &Caller,
        mac: Mac,
        wait: bool,
        replies: &Replies,
    ) -> Result<(), CommandError> {
        const COME: &str = "`gangway phones resync` has it come now.";
        let phone = self.find(caller, mac)?;
        if phone.removed_at.is_some() {
            let sentence = format!("{mac} has been removed: it has no credentials. Provision it again");
            return Err(CommandError::rejected(sentence));
        }
        if phone.former.is_none() {
            audit::entry(&self.store, caller, &mac.to_string(), "Change the phone's own credentials").await?;
        }
        let rotated = commands::rotate(&self.store, phone.id).await;
        let rotated =
            rotated.map_err(|error| CommandError::caused(format!("the record of {mac} cannot be changed"), &error))?;
        if !rotated && !wait {
            return Err(CommandError::rejected(format!(
                "new credentials of {mac} are on their way already: the phone has not used them yet. {COME}"
            )));
        }
        if !wait {
            replies.note(format!("Written: the phone gets them with its next file. {COME}")).await;
            return Ok(());
        }
        self.require_gateway_for_written()?;
        let is_used = || self.store.phones().get(phone.id).is_none_or(|phone| phone.former.is_none());
        if !self.wait_for(is_used, replies).await {
            return Err(CommandError::failed(format!(
                "the phone has not used its new credentials within a minute; the former ones are still good. {COME}"
            )));
        }
        replies.note("The phone has used its new credentials: the former ones are dead.").await;
        Ok(())
    }
}

/// The description for the audit.
fn deed(change: &PhoneChangeKind) -> String {
    match change {
        PhoneChangeKind::Allow => "Allow once".to_owned(),
        PhoneChangeKind::AllowWithoutToken { from } => {
            let from = from.map_or_else(|| "anywhere".to_owned(), |network| network.to_string());
            format!("Allow once, also without the redirect URL, from {from}")
        }
        PhoneChangeKind::RemoveUser { user } => format!("Take {user} off"),
        PhoneChangeKind::Activate | PhoneChangeKind::Release | PhoneChangeKind::Block | PhoneChangeKind::Remove => {
            format!("Want it {}", change.wanted().map(Wanted::as_str).unwrap_or_default())
        }
    }
}
