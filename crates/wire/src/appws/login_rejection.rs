//! Why a login is rejected, and the message that is logged for it.

use gangway_base::labelled_enum;

use super::login_info::LoginKind;

labelled_enum! {
    /// Why a login is rejected. The response to the client is the same for all reasons.
    LoginRejection {
        /// AppLogin was sent without AppChallenge.
        Unasked = "no-challenge";
        /// None of the instance's passwords matches the digest.
        Password = "wrong-password";
        /// The other password of the instance matches the digest.
        OtherPassword = "password-of-other-app";
        /// The source has to wait after sending wrong passwords.
        Pause = "wrong-passwords-before";
        /// The app contains a colon, so no PBX signed the login.
        ColonInApp = "colon-in-app";
        /// The domain contains a colon, so no PBX signed the login.
        ColonInDomain = "colon-in-domain";
        /// The name contains a colon, so no PBX signed the login.
        ColonInSip = "colon-in-name";
        /// The GUID is malformed, so no PBX signed the login.
        Guid = "malformed-guid";
        /// The display name may contain the `info` object of the login.
        InfoInName = "info-in-display-name";
        /// The login was made for another tenant.
        Domain = "other-domain";
        /// The app does not exist.
        App = "unknown-app";
        /// There is no `info`, and the login is not a password login either.
        NoInfo = "no-info";
        /// An app object's own login that also names an app object that grants access.
        Object = "object-and-pbxobj";
        /// A password login to a provider's app.
        NotByPassword = "password-login-at-provider";
        /// A password login, which the configuration does not enable.
        PasswordLoginOff = "password-login-off";
        /// The source network is not listed in `admin_from`.
        Network = "not-from-this-network";
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
