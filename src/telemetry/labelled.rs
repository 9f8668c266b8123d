//! Reasons that are counted under a label and told to people in a sentence.

/// Declares an enum once: variant, its label in metrics, its sentence for people.
macro_rules! labelled {
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
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

pub(crate) use labelled;
