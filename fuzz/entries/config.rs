//! Fuzzes rendering with the phone configuration deployed by Devices, for the files of all vendors. The first byte
//! selects the vendor; each line is an item (a JSON object with `type`). The input is rendered unchanged, and again
//! with a mark after every character that could end a value: no name in the file may contain the mark.

use std::sync::{Arc, OnceLock};

use gangway::{
    catalog::{Basis, FileKind, Format, Recognition, Registry, SharedRegistry},
    phone::public_url::PublicUrls,
    phone_config::{sample_layers, sample_phone},
    render::{FileRequest, RenderError, Renderer, Stage},
};
use gangway_base::{clock::SystemClock, mac::Mac};
use serde_json::Value;

const MARK: &str = "zqmark";
/// Maximum number of configuration items that gangway stores per phone.
const MOST_ITEMS: usize = 64;

pub fn enter(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let items = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let named = items.filter_map(|item| Some((item.get("type")?.as_str()?.to_owned(), item)));
    let items: Vec<(String, Value)> = named.take(MOST_ITEMS).collect();
    let _ = file(*choice, &items);
    let marked: Vec<(String, Value)> = items.into_iter().map(|(kind, item)| (kind, marked(item))).collect();
    let Some((text, format)) = file(*choice, &marked) else { return };
    for name in names(&text, format) {
        assert!(!name.contains(MARK), "a value becomes the name {name:?}");
    }
}

/// Renders the file; `None` if the value cannot be written, which is allowed.
fn file(choice: u8, items: &[(String, Value)]) -> Option<(String, Format)> {
    static RENDERER: OnceLock<(SharedRegistry, Renderer)> = OnceLock::new();
    let (registry, renderer) = RENDERER.get_or_init(|| match Registry::load_shared(None) {
        Ok(registry) => {
            let renderer = Renderer::new(Arc::clone(&registry), [0; 32], 0, Arc::new(SystemClock));
            (registry, renderer)
        }
        Err(findings) => panic!("the built-in vendors do not load: {findings:?}"),
    });
    let loaded = registry.load();
    let vendors: Vec<_> = loaded.vendors().collect();
    let vendor = vendors.get(usize::from(choice) % vendors.len())?;
    let model = vendor.manifest.models.iter().max_by_key(|model| (model.line_keys, model.accounts));
    let model = model.map(|model| model.name.as_str());
    let mac: Mac = "001565aabbcc".parse().expect("a MAC");
    let provider = vendor.provider_of(model).map_or(&*vendor.name, |provider| provider.name.as_str());
    let mut phone = sample_phone(provider, &vendor.name, model, None, mac);
    for (kind, item) in items {
        phone.device_config.items.insert(kind.clone(), item.clone());
    }
    let recognition = Recognition {
        vendor: Some(Arc::clone(&vendor.name)),
        model: model.map(Arc::from),
        firmware: None,
        mac: Some(mac),
        agent_mac: None,
        kind: FileKind::Personal,
        name: None,
        file_vendor: None,
        basis: Basis::Agent,
    };
    let request = FileRequest {
        phone: Some(&phone),
        recognition: &recognition,
        stage: Stage::Personal,
        urls: &PublicUrls::of("/example.com/gangway", "https://gw.example.com".parse().expect("it is a URL")),
        token: None,
        layers: &sample_layers(),
    };
    match renderer.file(&request) {
        Ok(file) => Some((String::from_utf8(file.body.to_vec()).expect("a file is a text"), file.format)),
        Err(RenderError::Unwritable { .. }) => None,
        Err(error) => panic!("{}: {error}", vendor.name),
    }
}

/// Adds the mark after every character of every text that is neither letter nor digit.
fn marked(value: Value) -> Value {
    match value {
        Value::String(text) => {
            let mut marked = String::new();
            for letter in text.chars() {
                marked.push(letter);
                if !letter.is_ascii_alphanumeric() {
                    marked.push_str(MARK);
                }
            }
            Value::String(marked)
        }
        Value::Array(values) => Value::Array(values.into_iter().map(self::marked).collect()),
        Value::Object(members) => {
            let marked = |(name, value): (String, Value)| {
                let value = if name == "type" { value } else { self::marked(value) };
                (name, value)
            };
            Value::Object(members.into_iter().map(marked).collect())
        }
        other => other,
    }
}

/// The texts that a phone would parse as names: keys of lines, or everything unquoted in tags.
fn names(text: &str, format: Format) -> Vec<String> {
    if format == Format::Xml {
        return tags(text);
    }
    let ends = ['\n', '\r', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}', '\u{85}', '\0'];
    let lines = text.split(ends).map(|line| line.split(['=', ':']).next().unwrap_or_default().trim().to_owned());
    lines.filter(|line| !line.starts_with('#')).collect()
}

fn tags(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut tag, mut quote) = (None::<String>, None::<char>);
    for letter in text.chars() {
        match (&mut tag, quote) {
            (None, _) if letter == '<' => tag = Some(String::new()),
            (None, _) => {}
            (Some(_), Some(end)) if letter == end => quote = None,
            (Some(_), Some(_)) => {}
            (Some(_), None) if letter == '>' => found.extend(tag.take()),
            (Some(_), None) if letter == '"' || letter == '\'' => quote = Some(letter),
            (Some(name), None) => name.push(letter),
        }
    }
    // Include an unterminated tag too: it would be an error.
    found.extend(tag);
    found
}
