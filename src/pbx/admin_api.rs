//! Client of `PbxAdminApi` for provisioning: finds a user on the connected PBX that owns it, sets three flags on one of
//! its devices, and asks where the device is registered. Nothing else is written to a PBX.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use futures_util::future::BoxFuture;
use gangway_wire::appws::pbx_admin::{
    API, AdminError, DeviceFlags, GetObjectResult, Guid, ObjectKey, ReadBack, Registration, get_object, get_regs,
    get_regs_result, update_devices, update_object_result,
};

use super::devices_address::{self, GrantedDevices};
use crate::{
    net::appwebsocket::LinkError,
    pbx::{
        sessions::{PbxSession, PbxSessions},
        user_objects::{FlagsWritten, Pbx, PbxError, PbxUser, UserDevice, UserKey},
    },
    phone::{instance::InstanceId, record::Flags},
    store::Store,
};

/// One lock per user object, so that two read-modify-write edits of a devices array never interleave.
type UserLocks = Arc<Mutex<HashMap<(InstanceId, String), Weak<tokio::sync::Mutex<()>>>>>;

/// The connected PBXs for provisioning.
#[derive(Clone)]
pub struct ConnectedPbxs {
    sessions: PbxSessions,
    store: Store,
    locks: UserLocks,
}

impl ConnectedPbxs {
    /// Uses the PBX sessions of this process.
    #[must_use]
    pub fn new(sessions: PbxSessions, store: Store) -> Self {
        Self { sessions, store, locks: UserLocks::default() }
    }

    /// The sessions that may edit objects, one per PBX.
    fn admins(&self, instance: InstanceId) -> Result<Vec<Arc<PbxSession>>, PbxError> {
        let sessions = self.sessions.of(instance);
        if sessions.is_empty() {
            return Err(PbxError::NoSession);
        }
        let mut admins: Vec<Arc<PbxSession>> = Vec::new();
        for session in sessions.into_iter().filter(|session| session.grants(API)) {
            let same = |known: &Arc<PbxSession>| {
                known.identity.domain == session.identity.domain && known.identity.pbx == session.identity.pbx
            };
            if !admins.iter().any(same) {
                admins.push(session);
            }
        }
        if admins.is_empty() { Err(PbxError::NotPermitted) } else { Ok(admins) }
    }

    /// Returns the user and the PBX that owns it.
    async fn find(&self, instance: InstanceId, key: &UserKey) -> Result<(Arc<PbxSession>, GetObjectResult), PbxError> {
        let mut worst = PbxError::UserNotFound;
        for session in self.admins(instance)? {
            match read(&session, key).await {
                Ok(object) => return Ok((session, object)),
                // Unknown on one PBX is not conclusive while another PBX could not be asked.
                Err(PbxError::UserNotFound | PbxError::Failed(_)) => {}
                Err(other) => worst = other,
            }
        }
        Err(worst)
    }

    fn lock(&self, instance: InstanceId, guid: &Guid) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        let key = (instance, guid.as_str().to_ascii_lowercase());
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }

    async fn write_flags(
        &self,
        instance: InstanceId,
        key: &UserKey,
        hwid: &str,
        flags: Flags,
    ) -> Result<FlagsWritten, PbxError> {
        let (session, found) = self.find(instance, key).await?;
        let lock = self.lock(instance, &found.guid);
        let _held = lock.lock().await;
        // Read again while holding the lock: the object found above may be stale.
        let by_guid = UserKey { guid: Some(found.guid.as_str().to_owned()), h323: key.h323.clone() };
        let object = read(&session, &by_guid).await?;
        let wanted = DeviceFlags {
            media_relay: flags.media_relay,
            tls_only: flags.tls_only,
            reverse_proxy: flags.reverse_proxy,
        };
        let current = object.devices.flags(hwid).ok_or(PbxError::DeviceNotFound)?;
        if current == wanted {
            return Ok(FlagsWritten::Applied);
        }
        let edited = object.devices.with_flags(hwid, wanted).ok_or(PbxError::DeviceNotFound)?;
        let answer = session
            .link
            .request("UpdateObject", |src| update_devices(src, &object.guid, &edited))
            .await
            .map_err(link_error)?;
        if let Some(result) = update_object_result(&answer) {
            result.map_err(admin_error)?;
        }
        let after = read(&session, &by_guid).await?;
        match after.devices.compare(hwid, wanted) {
            ReadBack::Stuck => Ok(FlagsWritten::Applied),
            ReadBack::DeviceMissing => Err(PbxError::DeviceNotFound),
            ReadBack::DidNotStick(names) => Ok(FlagsWritten::DidNotStick(format!(
                "the PBX accepted the change, but reading back shows another value of {}: set it by hand at the user's device",
                names.join(", ")
            ))),
        }
    }

    async fn find_registration(
        &self,
        instance: InstanceId,
        key: &UserKey,
        hwid: &str,
        by_name: bool,
    ) -> Result<Option<String>, PbxError> {
        let guid = match key.guid.as_deref().and_then(Guid::parse) {
            Some(guid) => guid,
            None => self.find(instance, key).await?.1.guid,
        };
        let mut answered = false;
        let mut failure = PbxError::NoSession;
        for session in self.admins(instance)? {
            match registrations(&session, &guid).await {
                Ok(regs) => {
                    answered = true;
                    if let Some(found) = own(&regs, hwid, by_name.then_some(key.h323.as_str())) {
                        return Ok(Some(found.addr.clone()));
                    }
                }
                Err(error) => failure = error,
            }
        }
        if answered { Ok(None) } else { Err(failure) }
    }
}

/// The registration of the device. A phone that registered by the user's name has no hardware ID in its registration,
/// or the name in its place.
fn own<'a>(regs: &'a [Registration], hwid: &str, name: Option<&str>) -> Option<&'a Registration> {
    let by_device = regs.iter().find(|reg| reg.hw.eq_ignore_ascii_case(hwid));
    let is_named =
        |reg: &&Registration| name.is_some_and(|name| reg.hw.is_empty() || reg.hw.eq_ignore_ascii_case(name));
    by_device.or_else(|| regs.iter().find(is_named))
}

async fn read(session: &PbxSession, key: &UserKey) -> Result<GetObjectResult, PbxError> {
    let guid = key.guid.as_deref().and_then(Guid::parse);
    let object_key = match &guid {
        Some(guid) => ObjectKey::Guid(guid),
        None => ObjectKey::H323(&key.h323),
    };
    let answer = session.link.request("GetObject", |src| get_object(src, &object_key)).await.map_err(link_error)?;
    match GetObjectResult::parse(&answer) {
        Some(result) => result.map_err(admin_error),
        None => Err(PbxError::Unsupported("GetObject was answered with something else".to_owned())),
    }
}

async fn registrations(session: &PbxSession, guid: &Guid) -> Result<Vec<Registration>, PbxError> {
    let answer = session.link.request("GetRegs", |src| get_regs(src, guid)).await.map_err(link_error)?;
    match get_regs_result(&answer) {
        Some(result) => result.map_err(admin_error),
        None => Err(PbxError::Unsupported("GetRegs was answered with something else".to_owned())),
    }
}

pub(super) fn link_error(error: LinkError) -> PbxError {
    match error {
        LinkError::Closed => PbxError::NoSession,
        LinkError::Timeout | LinkError::Busy => PbxError::Timeout,
        LinkError::TooLong => refused(error.to_string()),
        LinkError::Refused(text) => refused(text),
    }
}

pub(super) fn admin_error(error: AdminError) -> PbxError {
    match error {
        AdminError::Refused(text) => refused(text),
        AdminError::NotFound => PbxError::UserNotFound,
        AdminError::OldFirmware => PbxError::Unsupported(error.to_string()),
    }
}

/// Interprets an error text of the PBX. The texts for a missing right are not documented; the common ones are
/// recognised.
fn refused(text: String) -> PbxError {
    let lower = text.to_ascii_lowercase();
    if ["permission", "permitted", "denied", "no rights", "not allowed", "unauthorized"]
        .iter()
        .any(|word| lower.contains(word))
    {
        return PbxError::NotPermitted;
    }
    if lower.contains("not found") || lower.contains("no such") || lower.contains("unknown object") {
        return PbxError::UserNotFound;
    }
    PbxError::Failed(text)
}

impl Pbx for ConnectedPbxs {
    fn devices(&self, instance: InstanceId) -> Vec<GrantedDevices> {
        devices_address::granted(&self.sessions, &self.store, instance)
    }

    fn user(&self, instance: InstanceId, key: UserKey) -> BoxFuture<'static, Result<PbxUser, PbxError>> {
        let this = self.clone();
        Box::pin(async move {
            let (_, object) = this.find(instance, &key).await?;
            Ok(PbxUser {
                guid: object.guid.as_str().to_owned(),
                devices: object
                    .devices
                    .names()
                    .map(|(hwid, name)| UserDevice { hwid: hwid.to_owned(), name: name.to_owned() })
                    .collect(),
                h323: object.h323,
                cn: object.cn,
            })
        })
    }

    fn set_flags(
        &self,
        instance: InstanceId,
        key: UserKey,
        hwid: String,
        flags: Flags,
    ) -> BoxFuture<'static, Result<FlagsWritten, PbxError>> {
        let this = self.clone();
        Box::pin(async move { this.write_flags(instance, &key, &hwid, flags).await })
    }

    fn registration(
        &self,
        instance: InstanceId,
        key: UserKey,
        hwid: String,
        by_name: bool,
    ) -> BoxFuture<'static, Result<Option<String>, PbxError>> {
        let this = self.clone();
        Box::pin(async move { this.find_registration(instance, &key, &hwid, by_name).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_registers_by_name_is_known_by_it() {
        let reg = |hw: &str, addr: &str| Registration { hw: hw.to_owned(), addr: addr.to_owned() };
        let regs = [reg("softphone", "1"), reg("", "2"), reg("805EC0123456", "3")];
        let found = |hwid, name| own(&regs, hwid, name).map(|reg| reg.addr.as_str());
        assert_eq!(found("805ec0123456", None), Some("3"));
        assert_eq!(found("805ec0123456", Some("anna")), Some("3"));
        assert_eq!(found("other", None), None, "another phone of the user proves nothing");
        assert_eq!(found("other", Some("anna")), Some("2"));
        assert_eq!(own(&[reg("Anna", "4")], "other", Some("anna")).map(|reg| reg.addr.as_str()), Some("4"));
    }
}
