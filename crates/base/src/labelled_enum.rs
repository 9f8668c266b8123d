//! Enums without data whose variants have a stable name for the database, metrics, messages and texts.

/// Declares an enum with its variants and their stable names.
#[macro_export]
macro_rules! labelled_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $label:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// All variants, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name: in the database, in metrics, in JSON, and the last part of the key of its text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// Parses the result of [`Self::as_str`].
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($label => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
