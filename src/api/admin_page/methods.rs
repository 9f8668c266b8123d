//! The messages that a page may send, one row each. A message that changes something or shows a secret is recorded in
//! the audit. One test runs all messages; another checks which ones a passive gateway rejects.

/// The effect of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageEffect {
    /// Reads data that contains no secrets.
    Looks,
    /// Changes something in this gateway only. Recorded in the audit.
    Changes,
    /// Acts on phones or services. Recorded in the audit, and rejected by a passive gateway.
    Acts,
    /// Shows a secret. Recorded in the audit.
    Reveals,
}

macro_rules! messages {
    ($($name:ident $effect:ident;)*) => {
        /// The messages of the api `gangway`, by the name in `mt`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "docs/admin-api.md describes each message")]
        pub enum Method { $($name),* }

        impl Method {
            /// All messages.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the message with this name.
            #[must_use]
            pub fn named(mt: &str) -> Option<Self> {
                match mt {
                    $(stringify!($name) => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns the name in `mt`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// Returns the effect.
            #[must_use]
            pub fn effect(self) -> MessageEffect {
                match self { $(Self::$name => MessageEffect::$effect),* }
            }
        }
    };
}

messages! {
    Hello Looks;
    Devices Looks;
    DevicesStop Looks;
    Phone Looks;
    PhoneStop Looks;
    Notices Looks;
    Tokens Looks;
    Vendors Looks;
    LineKeys Looks;
    Settings Looks;
    HistorySubscribe Looks;
    // A file that is only checked is not stored.
    ImportData Looks;
    ImportStart Acts;
    ImportState Looks;
    ImportStop Acts;
    Act Acts;
    Categories Looks;
    PbxPlan Looks;
    PbxApply Acts;
    Chart Looks;
    Diff Looks;
    Config Looks;
    Reveal Reveals;
    SettingsSet Changes;
    SettingsPending Looks;
    // Logs in to the service with the instance's account.
    RedirectTest Acts;
    History Looks;
    HistoryExport Looks;
    HistoryPrune Changes;
    Audit Looks;
    TokenCreate Changes;
    TokenRevoke Changes;
    Snapshot Looks;
    Thaw Changes;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_found_by_its_name() {
        for message in Method::ALL {
            assert_eq!(Method::named(message.name()), Some(*message));
        }
        assert_eq!(Method::named("hello"), None);
    }
}
