//! Enums of reasons: each variant has a label for metrics and a sentence for people.

/// Declares an enum once: variant, its label in metrics, its sentence for people.
#[macro_export]
macro_rules! labelled_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $label:literal, $sentence:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The label in metrics; in the store and in messages too, where it is kept or told.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// What happened, for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}
