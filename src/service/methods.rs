//! What a page or a script may ask the desk: one row for each message. A message that changes something or shows a secret
//! is written down in the audit; a test walks through all of them, another one through what a passive gateway refuses.

/// What comes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageEffect {
    /// Somebody is told something, without secrets.
    Looks,
    /// Something is changed in this gateway alone: the audit has it.
    Changes,
    /// Something is done to phones or said to a service: the audit has it, and a passive gateway refuses it.
    Acts,
    /// A secret is shown: the audit has it.
    Reveals,
}

macro_rules! messages {
    ($($name:ident $effect:ident;)*) => {
        /// The messages of the api `gangway`, by the name in `mt`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "docs/admin-api.md tells of each")]
        pub enum Method { $($name),* }

        impl Method {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The message of this name.
            #[must_use]
            pub fn named(mt: &str) -> Option<Self> {
                match mt {
                    $(stringify!($name) => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name in `mt`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// What comes of it.
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
    // A file that is only checked stays in memory.
    ImportData Looks;
    ImportStart Acts;
    ImportState Looks;
    ImportStop Acts;
    Act Acts;
    Categories Looks;
    Chart Looks;
    Diff Looks;
    Config Looks;
    Reveal Reveals;
    SettingsSet Changes;
    SettingsPending Looks;
    // Logs in at the service with the instance's account.
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
