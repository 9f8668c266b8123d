//! Why a login is turned away, and what the log says of it.

use gangway_base::labelled_enum;

use super::login_info::LoginKind;

labelled_enum! {
    /// Why a login is turned away. The answer to the client is the same for all of them.
    LoginRejection {
        /// AppLogin without AppChallenge.
        Unasked = "no-challenge", "The client sent AppLogin without asking for a challenge first.";
        /// Neither password of the instance proves the digest.
        Password = "wrong-password", "The password is wrong: enter the instance's password at the app object (for gangway-admin admin_password, where it is set).";
        /// The other password of the instance proves the digest.
        OtherPassword = "password-of-other-app", "The instance has two passwords, and this is the other one: the app object gangway-admin has admin_password, every other app object has password.";
        /// The source has to wait after wrong passwords.
        Pause = "wrong-passwords-before", "The address sent wrong passwords for gangway-admin before and has to wait, at most an hour. Correct the password at the app object, then wait.";
        /// A field that no PBX would sign.
        ColonInApp = "colon-in-app", "The app's name holds a colon, which separates the fields the password signs: rename the app.";
        /// A field that no PBX would sign.
        ColonInDomain = "colon-in-domain", "The domain holds a colon, which separates the fields the password signs: correct the system name of the PBX.";
        /// A field that no PBX would sign.
        ColonInSip = "colon-in-name", "The name (SIP) holds a colon, which separates the fields the password signs: rename the object at the PBX.";
        /// A field that no PBX would sign.
        Guid = "malformed-guid", "The GUID is not 32 hex digits: the login was not made by a PBX, or its fields were moved.";
        /// A display name that could hold the `info` object of the login.
        InfoInName = "info-in-display-name", "The display name holds ':{', as if another part of the login had been moved into it: rename the object at the PBX.";
        /// Made for another tenant.
        Domain = "other-domain", "The login's domain is not the domain of this instance: the system name of the PBX and domain in gangway.toml must be equal.";
        /// No such app here.
        App = "unknown-app", "There is no app of this name: the URL of the app object must end in gangway-admin or in gangway- and a provider; `gangway vendors` lists the providers.";
        /// No `info`, and no login of somebody who typed the password either.
        NoInfo = "no-info", "The login has no info object, so no PBX made it, and it has not the form of a login by password either.";
        /// An app object's own login that names an app object beside it.
        Object = "object-and-pbxobj", "The login is that of an app object itself and names an app object that grants access (pbxObj) as well: it is neither a PBX's session nor another service's login.";
        /// The password login on an app of providers.
        NotByPassword = "password-login-at-provider", "Only gangway-admin can be entered by password; a provider's app takes the PBX and services it made a login for.";
        /// The password login where the configuration does not open it.
        PasswordLoginOff = "password-login-off", "The login by password is off: open gangway-admin in myApps, or set admin_password_login in gangway.toml.";
        /// From a network that `admin_from` does not name.
        Network = "not-from-this-network", "The address is in none of the networks that admin_from in gangway.toml lists: add its network there.";
    }
}

/// A login that was turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLoginAttempt {
    /// The app it named, as sent.
    pub app: String,
    /// The domain it named, as sent.
    pub domain: String,
    /// The name it gave, as sent.
    pub sip: String,
    /// What kind of login it would have been.
    pub kind: LoginKind,
    /// Why.
    pub refusal: LoginRejection,
    /// Whether its digest proves the password of its app; of an unknown app, the instance's.
    pub is_proven: bool,
}
