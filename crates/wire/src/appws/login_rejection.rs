//! Why a login is rejected, and the message that is logged for it.

use gangway_base::labelled_enum;

use super::login_info::LoginKind;

labelled_enum! {
    /// Why a login is rejected. The response to the client is the same for all reasons.
    LoginRejection {
        /// AppLogin was sent without AppChallenge.
        Unasked = "no-challenge", "The client sent AppLogin without asking for a challenge first.";
        /// None of the instance's passwords matches the digest.
        Password = "wrong-password", "The password is wrong: enter the instance's password at the app object (for gangway-admin admin_password, where it is set).";
        /// The other password of the instance matches the digest.
        OtherPassword = "password-of-other-app", "The instance has two passwords, and this is the other one: the app object gangway-admin has admin_password, every other app object has password.";
        /// The source has to wait after sending wrong passwords.
        Pause = "wrong-passwords-before", "The address sent wrong passwords for gangway-admin before and has to wait, at most an hour. Correct the password at the app object, then wait.";
        /// The app contains a colon, so no PBX signed the login.
        ColonInApp = "colon-in-app", "The app's name holds a colon, which separates the fields the password signs: rename the app.";
        /// The domain contains a colon, so no PBX signed the login.
        ColonInDomain = "colon-in-domain", "The domain holds a colon, which separates the fields the password signs: correct the system name of the PBX.";
        /// The name contains a colon, so no PBX signed the login.
        ColonInSip = "colon-in-name", "The name (SIP) holds a colon, which separates the fields the password signs: rename the object at the PBX.";
        /// The GUID is malformed, so no PBX signed the login.
        Guid = "malformed-guid", "The GUID is not 32 hex digits: the login was not made by a PBX, or its fields were moved.";
        /// The display name may contain the `info` object of the login.
        InfoInName = "info-in-display-name", "The display name holds ':{', as if another part of the login had been moved into it: rename the object at the PBX.";
        /// The login was made for another tenant.
        Domain = "other-domain", "The login's domain is not the domain of this instance: the system name of the PBX and domain in gangway.toml must be equal.";
        /// The app does not exist.
        App = "unknown-app", "There is no app of this name: the URL of the app object must end in gangway-admin or in gangway- and a provider; `gangway vendors` lists the providers.";
        /// There is no `info`, and the login is not a password login either.
        NoInfo = "no-info", "The login has no info object, so no PBX made it, and it has not the form of a login by password either.";
        /// An app object's own login that also names an app object that grants access.
        Object = "object-and-pbxobj", "The login is that of an app object itself and names an app object that grants access (pbxObj) as well: it is neither a PBX's session nor another service's login.";
        /// A password login to a provider's app.
        NotByPassword = "password-login-at-provider", "Only gangway-admin can be entered by password; a provider's app takes the PBX and services it made a login for.";
        /// A password login, which the configuration does not enable.
        PasswordLoginOff = "password-login-off", "The login by password is off: open gangway-admin in myApps, or set admin_password_login in gangway.toml.";
        /// The source network is not listed in `admin_from`.
        Network = "not-from-this-network", "The address is in none of the networks that admin_from in gangway.toml lists: add its network there.";
    }
}

/// A rejected login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedLoginAttempt {
    /// The requested app, as sent.
    pub app: String,
    /// The domain, as sent.
    pub domain: String,
    /// The SIP name, as sent.
    pub sip: String,
    /// The kind that the login would have had.
    pub kind: LoginKind,
    /// Why the login was rejected.
    pub refusal: LoginRejection,
    /// Whether the digest proves the password of the app or, for an unknown app, of the instance.
    pub is_proven: bool,
}
