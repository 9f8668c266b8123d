//! Logins that were turned away although their password was right: somebody is setting something up, and something is not
//! as it must be. The admin page shows them until the login succeeds or a day is over.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use gangway_wire::appws::{Identity, LoginKind, LoginRejection, RejectedLoginAttempt};
use jiff::{SignedDuration, Timestamp};

use crate::{base::telemetry::escape_control, phone::instance::InstanceId};

/// Kept per instance.
const KEPT: usize = 10;
/// From the last time on.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// Characters of a name that are kept.
pub(crate) const SHOWN: usize = 64;

/// One of them, and all that were like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLogin {
    /// Where.
    pub instance: InstanceId,
    /// The app it named, shown on one line.
    pub app: String,
    /// The name it gave, shown on one line.
    pub sip: String,
    /// The domain it named, shown on one line.
    pub domain: String,
    /// What kind of login it would have been.
    pub kind: LoginKind,
    /// Why.
    pub refusal: LoginRejection,
    /// The source of the last one.
    pub source: IpAddr,
    /// The first one.
    pub since: Timestamp,
    /// The last one.
    pub last: Timestamp,
}

/// All of them, the one that came last at the end.
#[derive(Debug, Default)]
pub struct RejectedLogins(Mutex<VecDeque<RejectedLogin>>);

impl RejectedLogins {
    fn lock(&self) -> MutexGuard<'_, VecDeque<RejectedLogin>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A login was turned away.
    pub fn note(&self, instance: InstanceId, refused: &RejectedLoginAttempt, source: IpAddr, now: Timestamp) {
        // The other password of the instance is a right one at the wrong place.
        if !refused.is_proven && refused.refusal != LoginRejection::OtherPassword {
            return;
        }
        let shown = |text: &str| escape_control::beginning(text, SHOWN);
        let (app, sip, domain) = (shown(&refused.app), shown(&refused.sip), shown(&refused.domain));
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

    /// A login succeeded: what kept others of that name out of that app is mended.
    pub fn entered(&self, instance: InstanceId, identity: &Identity) {
        let sip = escape_control::beginning(&identity.sip, SHOWN);
        let is_mended = |known: &RejectedLogin| {
            known.instance == instance
                && known.sip == sip
                && crate::pbx::app_objects::is_name_of(&known.app, &identity.app)
        };
        self.lock().retain(|known| !is_mended(known));
    }

    /// Those of an instance, the newest first.
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
