//! What a person can do to a phone, by the names page and REST use.

macro_rules! actions {
    ($($action:ident $name:literal;)*) => {
        /// One of them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "docs/admin-api.md tells of each")]
        pub enum Action { $($action),* }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$action),*];

            /// The action of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$action),)*
                    _ => None,
                }
            }

            /// Its name.
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
