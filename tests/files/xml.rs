//! An XML parser that is independent of the gateway's writer.

use quick_xml::{Reader, events::Event};

/// An element: its path without the root, its attributes, its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub path: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub is_leaf: bool,
}

/// Returns all elements in the order of their start tags.
pub fn elements(text: &str) -> Vec<Element> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    let mut found: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let event = reader.read_event().unwrap_or_else(|error| panic!("no XML: {error}\n{text}"));
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                let attributes: Vec<(String, String)> = start
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.unwrap();
                        let value = quick_xml::escape::unescape(&attribute.value).unwrap().into_owned();
                        (attribute.key.as_ref().to_owned(), value)
                    })
                    .collect();
                let index = attributes.iter().find(|(name, _)| name == "idx" || name == "id");
                let index = index.map(|(_, value)| format!("[{value}]")).unwrap_or_default();
                let above = open.last().map(|last| {
                    found[*last].is_leaf = false;
                    format!("{}/", found[*last].path)
                });
                let path = format!("{}{}{index}", above.unwrap_or_default(), start.name().as_ref());
                found.push(Element { path, attributes, text: String::new(), is_leaf: true });
                if matches!(event, Event::Start(_)) {
                    open.push(found.len() - 1);
                }
            }
            Event::Text(part) => {
                if let Some(last) = open.last() {
                    found[*last].text.push_str(part);
                }
            }
            Event::GeneralRef(name) => {
                let text = quick_xml::escape::resolve_predefined_entity(name).unwrap();
                found[*open.last().unwrap()].text.push_str(text);
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("neither element nor text: {other:?}"),
        }
    }
    assert!(open.is_empty() && found.iter().filter(|element| !element.path.contains('/')).count() == 1);
    found
}
