//! PbxInfo: the message in which a PBX describes itself directly after its login.

use super::envelope::Envelope;
use crate::lenient_json;

/// The message that a PBX app object sends after login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PbxInfo {
    /// System name.
    pub domain: String,
    /// PBX name.
    pub pbx: String,
    /// DNS field of the PBX.
    pub pbx_dns: String,
    /// The APIs granted by the flags of the app object (`PbxAdminApi`, `Services`, ...).
    pub apis: Vec<String>,
    /// Firmware version.
    pub version: String,
    /// Build.
    pub build: String,
}

impl PbxInfo {
    /// Reads a PbxInfo; `None` for any other message.
    #[must_use]
    pub fn parse(message: &Envelope) -> Option<Self> {
        if message.mt != "PbxInfo" {
            return None;
        }
        let body = &message.body;
        let apis = body.get("apis").and_then(|apis| apis.as_array()).into_iter().flatten();
        Some(Self {
            domain: lenient_json::text_or_empty(body, "domain"),
            pbx: lenient_json::text_or_empty(body, "pbx"),
            pbx_dns: lenient_json::text_or_empty(body, "pbxDns"),
            apis: apis.filter_map(|api| api.as_str().map(str::to_owned)).collect(),
            version: lenient_json::text_or_empty(body, "version"),
            build: lenient_json::text_or_empty(body, "build"),
        })
    }

    /// Returns whether `api` is granted.
    #[must_use]
    pub fn grants(&self, api: &str) -> bool {
        self.apis.iter().any(|granted| granted == api)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_tolerantly() {
        let text = r#"{"mt":"PbxInfo","domain":"d","pbx":"p","pbxDns":"h","apis":["Services",1],"version":"16r1","build":160}"#;
        let info = PbxInfo::parse(&Envelope::parse(text, 9999).unwrap()).unwrap();
        assert!(info.grants("Services") && !info.grants("PbxAdminApi"));
        assert_eq!(info.build, "160");
        assert!(PbxInfo::parse(&Envelope::parse(r#"{"mt":"X"}"#, 99).unwrap()).is_none());
    }
}
