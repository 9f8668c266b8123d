//! Rejected logins with a right password, which indicate a configuration error. The admin page shows them until the
//! login succeeds, at most for a day.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use gangway_wire::appws::{Identity, LoginKind, LoginRejection, RejectedLoginAttempt};
use jiff::{SignedDuration, Timestamp};

use crate::{base::telemetry::escape_control, phone::instance::InstanceId};

/// Number of entries per instance.
const KEPT: usize = 10;
/// Time after the last attempt.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// Maximum length of a stored name, in characters.
pub(crate) const SHOWN: usize = 64;

/// A rejected login and its repetitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLogin {
    /// The instance.
    pub instance: InstanceId,
    /// The name of the app, escaped for one line.
    pub app: String,
    /// The name of the client, escaped for one line.
    pub sip: String,
    /// The domain, escaped for one line.
    pub domain: String,
    /// The kind of login that was attempted.
    pub kind: LoginKind,
    /// The reason.
    pub refusal: LoginRejection,
    /// The source of the last attempt.
    pub source: IpAddr,
    /// Time of the first attempt.
    pub since: Timestamp,
    /// Time of the last attempt.
    pub last: Timestamp,
}

/// All entries, the most recent attempt last.
#[derive(Debug, Default)]
pub struct RejectedLogins(Mutex<VecDeque<RejectedLogin>>);

impl RejectedLogins {
    fn lock(&self) -> MutexGuard<'_, VecDeque<RejectedLogin>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a rejected login.
    pub fn note(&self, instance: InstanceId, refused: &RejectedLoginAttempt, source: IpAddr, now: Timestamp) {
        // The instance's other password is a right password for the wrong app.
        if !refused.is_proven && refused.refusal != LoginRejection::OtherPassword {
            return;
        }
        let escaped = |text: &str| escape_control::beginning(text, SHOWN);
        let (app, sip, domain) = (escaped(&refused.app), escaped(&refused.sip), escaped(&refused.domain));
        let RejectedLoginAttempt { kind, refusal, .. } = *refused;
        let mut all = self.lock();
        let is_same = |known: &RejectedLogin| {
            known.instance == instance && known.refusal == refusal && known.app == app && known.sip == sip
        };
        let since = match all.iter().position(is_same).and_then(|place| all.remove(place)) {
            Some(known) if now.duration_since(known.last) < REMEMBERED => known.since,
            _ => now,
        };
        if all.iter().filter(|known| known.instance == instance).count() >= KEPT
            && let Some(oldest) = all.iter().position(|known| known.instance == instance)
        {
            all.remove(oldest);
        }
        all.push_back(RejectedLogin { instance, app, sip, domain, kind, refusal, source, since, last: now });
    }

    /// Removes the entries of this name and app after a successful login.
    pub fn entered(&self, instance: InstanceId, identity: &Identity) {
        let sip = escape_control::beginning(&identity.sip, SHOWN);
        let is_mended = |known: &RejectedLogin| {
            known.instance == instance
                && known.sip == sip
                && crate::pbx::app_objects::is_name_of(&known.app, &identity.app)
        };
        self.lock().retain(|known| !is_mended(known));
    }

    /// Returns the entries of an instance, newest first.
    #[must_use]
    pub fn of(&self, instance: InstanceId, now: Timestamp) -> Vec<RejectedLogin> {
        let mut all = self.lock();
        all.retain(|known| now.duration_since(known.last) < REMEMBERED);
        all.iter().rev().filter(|known| known.instance == instance).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use gangway_wire::appws::SessionKey;

    use super::*;

    const HERE: InstanceId = InstanceId(1);

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * 3600).unwrap()
    }

    fn refused(app: &str, sip: &str, refusal: LoginRejection, is_proven: bool) -> RejectedLoginAttempt {
        let (app, sip, domain) = (app.into(), sip.into(), "example.com".into());
        RejectedLoginAttempt { app, domain, sip, kind: LoginKind::PbxSession, refusal, is_proven }
    }

    #[test]
    fn only_right_passwords_are_kept_until_the_login_succeeds() {
        let (logins, source) = (RejectedLogins::default(), IpAddr::from([192, 0, 2, 1]));
        let note = |refused: &RejectedLoginAttempt, hours| logins.note(HERE, refused, source, at(hours));
        note(&refused("gangway-admin", "x", LoginRejection::Password, false), 0);
        assert!(logins.of(HERE, at(0)).is_empty());
        note(&refused("GANGWAY-yealink.htm", "y\n", LoginRejection::Domain, true), 0);
        note(&refused("gangway-admin", "x", LoginRejection::OtherPassword, false), 1);
        note(&refused("GANGWAY-yealink.htm", "y\n", LoginRejection::Domain, true), 2);
        let seen = logins.of(HERE, at(2));
        assert_eq!(seen.len(), 2);
        assert_eq!((seen[0].sip.as_str(), seen[0].since, seen[0].last), ("y\\n", at(0), at(2)));
        let identity = Identity {
            app: "gangway-yealink".into(),
            domain: "example.com".into(),
            sip: "y\n".into(),
            guid: String::new(),
            dn: String::new(),
            info: None,
            kind: LoginKind::PbxSession,
            untrusted_pbx_obj: None,
            key: SessionKey::from_text("k"),
        };
        logins.entered(InstanceId(2), &identity);
        assert_eq!(logins.of(HERE, at(2)).len(), 2, "another instance");
        logins.entered(HERE, &identity);
        assert_eq!(logins.of(HERE, at(2)).len(), 1);
        assert_eq!(logins.of(HERE, at(26)).len(), 0, "a day after the last one");
    }

    #[test]
    fn so_many_are_kept_per_instance() {
        let (logins, source) = (RejectedLogins::default(), IpAddr::from([192, 0, 2, 1]));
        logins.note(InstanceId(2), &refused("a", "x", LoginRejection::App, true), source, at(0));
        for number in 0..100 {
            logins.note(HERE, &refused("a", &format!("{number}"), LoginRejection::App, true), source, at(0));
        }
        assert_eq!((logins.of(HERE, at(0)).len(), logins.of(InstanceId(2), at(0)).len()), (KEPT, 1));
        assert_eq!(logins.of(HERE, at(0))[0].sip, "99");
    }
}
