//! The actions on a phone, by the names that the admin page and the REST API use.

macro_rules! actions {
    ($($action:ident $name:literal;)*) => {
        /// An action on a phone.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "docs/admin-api.md describes each action")]
        pub enum Action { $($action),* }

        impl Action {
            /// All actions.
            pub const ALL: &[Self] = &[$(Self::$action),*];

            /// Returns the action with this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$action),)*
                    _ => None,
                }
            }

            /// Returns the name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$action => $name),* }
            }
        }
    };
}

actions! {
    RedirectAgain "redirect-again";
    Allow "allow";
    NewCode "new-code";
    AskRegistration "ask-registration";
    Resync "resync";
    RotateCredentials "rotate-credentials";
    Release "release";
    Block "block";
    Remove "remove";
    Activate "activate";
}
