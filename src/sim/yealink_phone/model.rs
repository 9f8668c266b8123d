//! The models: how a phone of each calls itself and which common file it asks for.

/// A Yealink desk phone model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// Name without brand.
    pub name: &'static str,
    /// Model as the User-Agent spells it.
    pub agent: &'static str,
    /// Firmware of the User-Agent.
    pub firmware: &'static str,
    /// Number in the name of the common file.
    pub file: u16,
    /// Accounts it holds.
    pub accounts: usize,
    /// Firmware before V80: no boot files, old parameter names.
    pub old: bool,
}

/// T46U, firmware V86.
pub const T46U: Model =
    Model { name: "T46U", agent: "Yealink SIP-T46U", firmware: "108.86.0.20", file: 108, accounts: 16, old: false };
/// T54W, firmware V86.
pub const T54W: Model =
    Model { name: "T54W", agent: "Yealink SIP-T54W", firmware: "96.86.0.70", file: 96, accounts: 16, old: false };
/// T31P, firmware V86.
pub const T31P: Model =
    Model { name: "T31P", agent: "Yealink SIP-T31P", firmware: "124.86.0.40", file: 123, accounts: 2, old: false };
/// T58W, firmware V86.
pub const T58W: Model =
    Model { name: "T58W", agent: "Yealink SIP-T58W", firmware: "150.86.0.5", file: 150, accounts: 16, old: false };
/// T48G with its first firmware: V72, old names, no boot files.
pub const T48G_OLD: Model =
    Model { name: "T48G", agent: "Yealink SIP-T48G", firmware: "35.72.0.6", file: 35, accounts: 6, old: true };
/// T28P: V70, brand in lower case.
pub const T28P: Model =
    Model { name: "T28P", agent: "yealink SIP-T28P", firmware: "2.70.0.140", file: 0, accounts: 6, old: true };

/// All of them.
pub const ALL: &[Model] = &[T46U, T54W, T31P, T58W, T48G_OLD, T28P];

impl Model {
    /// The User-Agent of the phone with this MAC.
    #[must_use]
    pub fn user_agent(&self, mac: crate::phone::mac::Mac) -> String {
        let mac = mac.spelled(":").to_lowercase();
        format!("{} {} {mac}", self.agent, self.firmware)
    }

    /// Name of the common file.
    #[must_use]
    pub fn common_file(&self) -> String {
        format!("y{:012}.cfg", self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_presents_itself_as_phones_do() {
        let mac = "805ec0123456".parse().unwrap();
        assert_eq!(T54W.user_agent(mac), "Yealink SIP-T54W 96.86.0.70 80:5e:c0:12:34:56");
        assert_eq!(T28P.common_file(), "y000000000000.cfg");
        assert!(ALL.iter().all(|model| model.common_file().len() == 17));
    }
}
