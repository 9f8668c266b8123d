//! The phone's settings as read from its files. Names with an index are written `name[index]`; nested modules of the
//! VTech bases are written with slashes: `sip_account/1/user_id`.

use std::collections::BTreeMap;

use super::{
    model::SnomKind,
    xml::{self, Element},
};

/// Who may change a setting: the user on the phone, or later files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Permission {
    /// `R`, `&` or a blank: the user cannot change it.
    #[default]
    ReadOnly,
    /// `RW`, `$` or empty: the user can change it, but the next file overwrites the change.
    Overwritten,
    /// `!`: a change by the user is kept.
    UserWins,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setting {
    /// Its value.
    pub value: String,
    /// Who may change it.
    pub permission: Permission,
    by_person: bool,
}

/// A function key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Index, from 0.
    pub index: u32,
    /// `active`, or the number of an identity.
    pub context: String,
    /// The label on the display.
    pub label: String,
    /// Type and value, such as `speed 0123`.
    pub action: String,
}

/// The settings that the phone keeps in flash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnomSettings {
    values: BTreeMap<String, Setting>,
    keys: BTreeMap<u32, Key>,
    certificates: usize,
}

impl SnomSettings {
    /// Applies a file and returns the further files it lists. An error states why the phone ignores the file.
    pub(super) fn apply(&mut self, file: &str, kind: SnomKind) -> Result<Vec<String>, String> {
        let root = xml::read(file)?;
        let mut further = Vec::new();
        match root.name.as_str() {
            "settings" => {
                for block in &root.children {
                    self.block(block, kind, &mut further);
                }
            }
            // A block may also be a separate file.
            "phone-settings" | "functionKeys" | "setting-files" | "certificates" | "firmware-settings" => {
                self.block(&root, kind, &mut further);
            }
            other => return Err(format!("<{other}> is no settings file")),
        }
        Ok(further)
    }

    fn block(&mut self, block: &Element, kind: SnomKind, further: &mut Vec<String>) {
        match block.name.as_str() {
            "setting-files" => {
                let urls = block.children.iter().filter(|file| file.name == "file");
                further.extend(urls.filter_map(|file| file.attribute("url")).map(str::to_owned));
            }
            "certificates" => self.certificates += block.children.len(),
            "functionKeys" => block.children.iter().for_each(|key| self.key(key)),
            "tbook" | "dialplan" | "ReplacementPlan" => {}
            _ if kind == SnomKind::Vtech => self.module(block, &block.name),
            "phone-settings" | "firmware-settings" | "global" | "server" | "extension" => {
                for setting in &block.children {
                    self.take(setting);
                }
            }
            _ => {}
        }
    }

    fn take(&mut self, element: &Element) {
        let name = match element.attribute("idx") {
            Some(index) => format!("{}[{index}]", element.name),
            None => element.name.clone(),
        };
        let permission = match element.attribute("perm") {
            None | Some("R" | "&" | " ") => Permission::ReadOnly,
            Some("!") => Permission::UserWins,
            Some(_) => Permission::Overwritten,
        };
        let kept = self.values.entry(name).or_default();
        if !(permission == Permission::UserWins && kept.by_person) {
            *kept = Setting { value: element.text.clone(), permission, by_person: false };
        }
    }

    fn module(&mut self, element: &Element, path: &str) {
        if element.children.is_empty() {
            let setting = Setting { value: element.text.clone(), ..Setting::default() };
            self.values.insert(path.to_owned(), setting);
        }
        for child in &element.children {
            let name = child.attribute("id").unwrap_or(&child.name);
            self.module(child, &format!("{path}/{name}"));
        }
    }

    fn key(&mut self, element: &Element) {
        let Some(index) = element.attribute("idx").and_then(|index| index.parse().ok()) else { return };
        let attribute = |name| element.attribute(name).unwrap_or_default().to_owned();
        let key = Key { index, context: attribute("context"), label: attribute("label"), action: element.text.clone() };
        if element.name == "fkey" {
            self.keys.insert(index, key);
        }
    }

    /// A setting by its exact name; `None` if it is missing or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|setting| setting.value.as_str()).filter(|value| !value.is_empty())
    }

    /// The setting with its permission, empty or not.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.values.get(name)
    }

    /// All settings.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, setting)| (name.as_str(), setting.value.as_str()))
    }

    /// The programmed function keys.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// The number of certificates installed by files.
    #[must_use]
    pub fn certificates(&self) -> usize {
        self.certificates
    }

    /// True for a factory-fresh phone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Sets a value as a user or DHCP does; returns false if a file made it read-only.
    pub(super) fn set(&mut self, name: &str, value: &str) -> bool {
        let free = self.values.get(name).is_none_or(|kept| kept.permission != Permission::ReadOnly);
        if free {
            let setting = Setting { value: value.into(), permission: Permission::Overwritten, by_person: true };
            self.values.insert(name.into(), setting);
        }
        free
    }

    /// Seconds between two checks; `None` if polling is off.
    #[must_use]
    pub fn polling_seconds(&self, kind: SnomKind) -> Option<u64> {
        let number = |name: &str| self.get(name)?.parse::<u64>().ok().filter(|number| *number > 0);
        match kind {
            SnomKind::Desk if self.get("prov_polling_enabled") == Some("on") => number("prov_polling_period"),
            SnomKind::Desk => number("settings_refresh_timer"),
            SnomKind::Rtx if self.get("auto_resync_polling") == Some("enabled") => {
                number("auto_resync_period").map(|minutes| minutes * 60)
            }
            SnomKind::Rtx => None,
            SnomKind::Vtech => number("provisioning/resync_time").map(|minutes| minutes * 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(inside: &str) -> String {
        format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><settings>{inside}</settings>")
    }

    #[test]
    fn permissions_decide_between_user_changes_and_files() {
        let mut kept = SnomSettings::default();
        assert!(kept.set("language", "Deutsch") && kept.set("ring_sound", "Ringer7"));
        let file = settings(
            "<phone-settings e=\"2\"><language perm=\"!\">English</language><ring_sound perm=\"RW\">Ringer1</ring_sound>\
             <user_name idx=\"1\" perm=\"R\">41</user_name><user_host idx=\"1\">pbx</user_host></phone-settings>",
        );
        assert_eq!(kept.apply(&file, SnomKind::Desk), Ok(Vec::new()));
        assert_eq!((kept.get("language"), kept.get("ring_sound")), (Some("Deutsch"), Some("Ringer1")));
        assert!(!kept.set("user_name[1]", "42") && !kept.set("user_host[1]", "x") && kept.set("ring_sound", "Ringer2"));
        assert_eq!(kept.get("user_name[1]"), Some("41"));
    }

    #[test]
    fn blocks_are_files_or_parts_of_one() {
        let mut kept = SnomSettings::default();
        let files = "<setting-files><file url=\"http://x/a.xml\"/></setting-files>";
        assert_eq!(kept.apply(&settings(files), SnomKind::Desk), Ok(vec!["http://x/a.xml".to_owned()]));
        let keys =
            "<functionKeys><fkey idx=\"3\" context=\"1\" label=\"Anna\" perm=\"RW\">speed 41</fkey></functionKeys>";
        kept.apply(keys, SnomKind::Desk).unwrap();
        kept.apply(&settings("<certificates><certificate url=\"x.der\"/></certificates>"), SnomKind::Desk).unwrap();
        let key = kept.keys().next().unwrap();
        assert_eq!((key.index, key.label.as_str(), key.action.as_str()), (3, "Anna", "speed 41"));
        assert_eq!(kept.certificates(), 1);
        assert!(
            kept.apply("<html/>", SnomKind::Desk).is_err() && kept.apply("language$: English", SnomKind::Desk).is_err()
        );
    }

    #[test]
    fn modules_are_read_by_id() {
        let mut kept = SnomSettings::default();
        let file = settings(
            "<sip_account><idx id=\"2\"><user_id>41</user_id><codec_priority><idx id=\"1\">g722</idx></codec_priority>\
             </idx></sip_account><provisioning><resync_time>60</resync_time></provisioning>",
        );
        kept.apply(&file, SnomKind::Vtech).unwrap();
        assert_eq!(kept.get("sip_account/2/user_id"), Some("41"));
        assert_eq!(kept.get("sip_account/2/codec_priority/1"), Some("g722"));
        assert_eq!(kept.polling_seconds(SnomKind::Vtech), Some(3600));
    }

    #[test]
    fn polling_depends_on_the_switch() {
        let mut kept = SnomSettings::default();
        kept.set("prov_polling_period", "3600");
        assert_eq!(kept.polling_seconds(SnomKind::Desk), None);
        kept.set("prov_polling_enabled", "on");
        assert_eq!(kept.polling_seconds(SnomKind::Desk), Some(3600));
        kept.set("auto_resync_period", "60");
        assert_eq!(kept.polling_seconds(SnomKind::Rtx), None);
        kept.set("auto_resync_polling", "enabled");
        assert_eq!(kept.polling_seconds(SnomKind::Rtx), Some(3600));
    }
}
