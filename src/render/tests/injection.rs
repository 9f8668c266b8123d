//! Values that try to inject a line, an element or an attribute: through every field of an account, every setting and
//! every member of the Devices configuration, into every template of every vendor. The output is parsed by separate
//! parsers.

use super::{canaries::version, *};
use crate::{
    catalog::{FileKind, Format},
    settings::{TABLE, ValueKind},
};

/// Everything that may end a line, a value, an attribute or an element in any format.
const HOSTILE: &str = "x\r\nevil.key = 1\nevil_key: 1\u{2028}evil.line = 1\u{85}evil.next = 1\u{b}evil.tab = 1\0evil.nul = 1 # \
                       \"'/><evil a=\"1\">]]><!-- --><evil_b/>&lt;evil_c/&gt;&#10;evil.entity = 1 %0aevil.percent = 1\\nevil.escape = 1 \
                       {{ evil }} {% include \"evil\" %} ${evil} $(evil) `evil`";

/// The names a phone would read: keys of lines, elements and attributes.
fn names(text: &str, format: Format) -> Result<Vec<String>, String> {
    if format == Format::Xml {
        let document = roxmltree::Document::parse(text).map_err(|error| error.to_string())?;
        let elements = document.descendants().filter(roxmltree::Node::is_element);
        return Ok(elements
            .flat_map(|node| {
                let attributes = node.attributes().map(|attribute| attribute.name().to_owned());
                std::iter::once(node.tag_name().name().to_owned()).chain(attributes).collect::<Vec<_>>()
            })
            .collect());
    }
    let ends = ['\n', '\r', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}', '\u{85}', '\0'];
    Ok(text.split(ends).map(|line| line.split(['=', ':']).next().unwrap_or_default().trim().to_owned()).collect())
}

/// Records or settings with one hostile value each, and the field that has it.
fn variants(phone: &Phone) -> Vec<(String, Phone, Layers)> {
    let usual = sample_layers();
    let mut all: Vec<(String, Phone, Layers)> = Vec::new();
    type Edit = fn(&mut crate::phone::record::Account);
    let fields: [(&str, Edit); 6] = [
        ("hwid", |account| account.hwid = HOSTILE.to_owned()),
        ("username", |account| account.username = HOSTILE.to_owned()),
        ("cn", |account| account.cn = HOSTILE.to_owned()),
        ("password", |account| account.password = Secret::new(HOSTILE)),
        ("domain", |account| account.domain = HOSTILE.to_owned()),
        ("dns", |account| account.dns = HOSTILE.to_owned()),
    ];
    for (name, edit) in fields {
        let mut changed = phone.clone();
        changed.accounts.iter_mut().for_each(edit);
        all.push((format!("account {name}"), changed, usual.clone()));
    }
    // As if validation had been bypassed.
    for setting in TABLE.iter().filter(|setting| !matches!(setting.kind, ValueKind::Bool | ValueKind::Number(..))) {
        let mut rows = usual.rows().to_vec();
        rows.retain(|row| row.name != setting.name);
        rows.push(SettingRow {
            scope: "instance".parse().unwrap(),
            name: setting.name.to_owned(),
            value: Secret::new(HOSTILE),
        });
        all.push((format!("setting {}", setting.name), phone.clone(), Layers::new(rows, 9)));
    }
    for (kind, item) in phone.device_config.items.iter() {
        for member in item.as_object().unwrap().keys() {
            let mut changed = phone.clone();
            changed.device_config.items.get_mut(kind).unwrap()[member] = json!(HOSTILE);
            all.push((format!("{kind} {member}"), changed, usual.clone()));
        }
    }
    let mut changed = phone.clone();
    changed.device_config.admin_password = Some(Secret::new(HOSTILE));
    all.push(("the deployed password".to_owned(), changed, layers(&[("phone_admin_password", "from-devices")])));
    all
}

#[test]
fn no_value_of_any_field_adds_a_name_to_any_file() {
    let bench = Bench::new();
    let registry = bench.registry.load();
    let (mut rendered, mut refused) = (0, 0);
    for vendor in registry.vendors() {
        for family in &vendor.manifest.families {
            // The model with most accounts and keys writes everything the other models write.
            let of_family = vendor.manifest.models.iter().filter(|model| {
                vendor.manifest.family_of(Some(&model.name), None).is_some_and(|found| found.name == family.name)
            });
            let model =
                of_family.max_by_key(|model| (model.line_keys, model.accounts)).map(|model| model.name.as_str());
            for generation in vendor.manifest.generations_of(family) {
                let firmware = version(generation);
                let mac: Mac = "805ec0123456".parse().unwrap();
                let provider = vendor.provider_of(model).map_or(&*vendor.name, |provider| provider.name.as_str());
                let phone = sample_phone(provider, &vendor.name, model, Some(&firmware), mac);
                let recognition = recognised(vendor, model, &firmware, FileKind::Personal);
                for (place, phone, layers) in variants(&phone) {
                    let request = whole(&phone, &recognition, &layers);
                    let place = format!("{} {model:?} {firmware}: {place}", vendor.name);
                    let file = match bench.renderer.file(&request) {
                        Ok(file) => file,
                        Err(RenderError::Unwritable { .. }) => {
                            refused += 1;
                            continue;
                        }
                        Err(error) => panic!("{place}: {error}"),
                    };
                    rendered += 1;
                    let text = String::from_utf8(file.body.to_vec()).unwrap();
                    let names = names(&text, file.format).unwrap_or_else(|error| panic!("{place}: {error}\n{text}"));
                    let evil: Vec<&String> = names.iter().filter(|name| name.contains("evil")).collect();
                    assert!(evil.is_empty(), "{place} added {evil:?}:\n{text}");
                }
            }
        }
    }
    assert!(rendered > 200 && refused > 20, "{rendered} rendered, {refused} refused");
}

#[test]
fn a_turn_login_no_file_carries_costs_turn_alone() {
    let bench = Bench::new();
    for password in ["#secret", "a #b", "a\u{ffff}b", " a"] {
        let mut phone = phone();
        phone.device_config.items.get_mut("MEDIA").unwrap()["turnPassword"] = json!(password);
        let recognition = bench.seen(Some(NEW), "/805ec0123456.cfg");
        let layers = sample_layers();
        let file = bench.renderer.file(&whole(&phone, &recognition, &layers)).unwrap();
        let text = String::from_utf8(file.body.to_vec()).unwrap();
        let lines = read(&text);
        assert_eq!(value(&lines, "static.sip.nat_turn.password").unwrap_or("%NULL%"), "%NULL%", "{password:?}");
        assert_eq!(value(&lines, "account.1.user_name"), Some("yealink-805ec0123456"));
    }
    let mut phone = phone();
    phone.device_config.items.get_mut("MEDIA").unwrap()["turnPassword"] = json!("a #b");
    let recognition = bench.seen(Some(NEW), "/805ec0123456.cfg");
    let layers = sample_layers();
    let file = bench.renderer.file(&whole(&phone, &recognition, &layers)).unwrap();
    assert!(file.notes.iter().any(|note| note.contains("TURN is off")), "{:?}", file.notes);
}
