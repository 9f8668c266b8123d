//! XML files in which a setting is an element or an attribute. The escaper is valid for element text and quoted
//! attributes. The validation parses the file strictly and writes it again with one element per line.

use std::io::Write;

use roxmltree::{Document, Node};

use super::{Fault, KeyFilter, ValuePlace, dropped};

/// Maximum nesting depth. Phones' files have four levels, so deeper nesting is a mistake.
const DEEPEST: usize = 16;

/// Writes a value so that it remains the text of a single element or attribute. `& < > " '` become references. Control
/// characters, line breaks, characters not allowed in XML and surrounding blanks are dropped.
///
/// # Errors
/// Errors of the output.
pub fn escape(value: &str, output: &mut dyn Write) -> std::io::Result<()> {
    output.write_all(escaped(value).as_bytes())
}

/// Like [`escape`], but returns the text.
#[must_use]
pub fn escaped(value: &str) -> String {
    let plain = cleaned(value);
    let mut text = String::with_capacity(plain.len() + 8);
    for c in plain.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&apos;"),
            other => text.push(other),
        }
    }
    text
}

/// Whether the format can represent the value exactly.
#[must_use]
pub fn is_exact(value: &str) -> bool {
    cleaned(value) == value
}

fn cleaned(value: &str) -> String {
    let kept: String = value.chars().filter(|c| !dropped(*c)).collect();
    kept.trim().to_owned()
}

/// Parses the file strictly and writes it again: one element per line, two blanks per level, and only elements.
/// Comments, CDATA, custom entities, namespaces and text next to elements are rejected. `allowed` is called with the
/// name of every element.
///
/// # Errors
/// The first fault. It never contains the value of an element.
pub fn finish(rendered: &str, allowed: KeyFilter<'_>) -> Result<String, Fault> {
    let rendered = rendered.trim();
    if rendered.is_empty() {
        return Err(Fault { line: 1, reason: "the file is empty".to_owned() });
    }
    if let Some(offset) = rendered.find("<![CDATA[") {
        let line = rendered.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
        return Err(Fault { line, reason: "CDATA is not written; values are escaped".to_owned() });
    }
    let document = Document::parse(rendered).map_err(|error| Fault {
        line: usize::try_from(error.pos().row).unwrap_or(1),
        reason: format!("it is no well-formed XML: {}", kind(&error)),
    })?;
    let mut writer = Writer { document: &document, allowed, text: String::with_capacity(rendered.len()) };
    if rendered.starts_with("<?xml") {
        writer.text.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    }
    for node in document.root().children() {
        writer.element(node, 0)?;
    }
    Ok(writer.text)
}

/// The kind of the error, without the names and values that its text may contain.
fn kind(error: &roxmltree::Error) -> String {
    use roxmltree::Error;
    match error {
        Error::UnexpectedCloseTag(..) => "an end tag has another name than its start tag",
        Error::UnclosedRootNode => "an element is not closed",
        Error::DuplicatedAttribute(..) => "an attribute stands there twice",
        Error::UnknownEntityReference(..) | Error::MalformedEntityReference(_) => "a reference is unknown",
        Error::NonXmlChar(..) | Error::InvalidChar(..) | Error::InvalidChar2(..) => "a character must not stand there",
        Error::DtdDetected => "it has a document type",
        Error::NoRootNode => "it has no element",
        Error::UnknownToken(_) | Error::UnexpectedEndOfStream => "something else than an element stands there",
        _ => "see the template",
    }
    .to_owned()
}

struct Writer<'a, 'input> {
    document: &'a Document<'input>,
    allowed: KeyFilter<'a>,
    text: String,
}

impl Writer<'_, '_> {
    fn fault(&self, node: Node<'_, '_>, reason: String) -> Fault {
        let row = self.document.text_pos_at(node.range().start).row;
        Fault { line: usize::try_from(row).unwrap_or(1), reason }
    }

    fn element(&mut self, node: Node<'_, '_>, depth: usize) -> Result<(), Fault> {
        if node.is_text() && node.text().is_some_and(|text| text.trim().is_empty()) {
            return Ok(());
        }
        if !node.is_element() {
            let what = if node.is_text() { "text beside elements" } else { "a comment or an instruction" };
            return Err(self.fault(node, format!("{what} must not stand there")));
        }
        if depth > DEEPEST {
            return Err(self.fault(node, "its elements nest too deep".to_owned()));
        }
        if node.namespaces().len() > 0 || node.tag_name().namespace().is_some() {
            return Err(self.fault(node, "namespaces must not stand there".to_owned()));
        }
        let name = node.tag_name().name();
        if self.allowed.is_some_and(|allowed| !allowed(name)) {
            return Err(self.fault(node, format!("{name} must not stand in the open stage")));
        }
        self.text.extend(std::iter::repeat_n("  ", depth));
        self.text.push('<');
        self.text.push_str(name);
        for attribute in node.attributes() {
            let value = self.value(node, attribute.value())?;
            self.text.push_str(&format!(" {}=\"{value}\"", attribute.name()));
        }
        self.content(node, name, depth)
    }

    fn content(&mut self, node: Node<'_, '_>, name: &str, depth: usize) -> Result<(), Fault> {
        let source = self.document.input_text().get(node.range()).unwrap_or_default();
        if !node.has_children() && source.ends_with("/>") {
            self.text.push_str("/>\n");
            return Ok(());
        }
        self.text.push('>');
        if node.children().all(|child| child.is_text()) {
            let whole: String = node.children().filter_map(|child| child.text()).collect();
            let value = self.value(node, whole.trim())?;
            self.text.push_str(&value);
        } else {
            self.text.push('\n');
            for child in node.children() {
                self.element(child, depth + 1)?;
            }
            self.text.extend(std::iter::repeat_n("  ", depth));
        }
        self.text.push_str(&format!("</{name}>\n"));
        Ok(())
    }

    fn value(&self, node: Node<'_, '_>, value: &str) -> Result<String, Fault> {
        if value.chars().any(dropped) {
            let name = node.tag_name().name();
            return Err(self.fault(node, format!("a value of {name} holds a line break or a control character")));
        }
        Ok(escaped(value))
    }
}

/// Name and values of an element that is on one line of a finished file: its text, or the attributes of an empty
/// element.
pub fn place(line: &str) -> Option<ValuePlace<'_>> {
    let start = line.find('<')?;
    let tag = line.get(start + 1..)?;
    let name = tag.split([' ', '>', '/']).next().filter(|name| !name.is_empty() && !name.starts_with('?'))?;
    // Values contain no '<', '>' or '"'.
    let end = start + 1 + tag.find('>')?;
    if line.get(..end).is_some_and(|tag| tag.ends_with('/')) {
        let quotes: Vec<usize> = line.match_indices('"').map(|(at, _)| at).collect();
        let values = quotes.chunks_exact(2).map(|pair| pair[0] + 1..pair[1]).filter(|range| !range.is_empty());
        return Some(ValuePlace { key: name, values: values.collect() });
    }
    let close = line.rfind("</")?;
    let values = if close > end + 1 { std::iter::once(end + 1..close).collect() } else { Vec::new() };
    Some(ValuePlace { key: name, values })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::{Reader, events::Event};

    use super::*;

    type Attributes = Vec<(String, String)>;

    /// Parses the file with another parser: elements in order with attributes and text.
    fn read(text: &str) -> Vec<(String, Attributes, String)> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().enable_all_checks(true);
        let mut found: Vec<(String, Attributes, String)> = Vec::new();
        let mut open = false;
        loop {
            let event = reader.read_event().unwrap();
            open = matches!(event, Event::Start(_)) || open && matches!(event, Event::Text(_) | Event::GeneralRef(_));
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    let attributes = start.attributes().map(|attribute| {
                        let attribute = attribute.unwrap();
                        let value = quick_xml::escape::unescape(&attribute.value).unwrap().into_owned();
                        (attribute.key.as_ref().to_owned(), value)
                    });
                    found.push((start.name().as_ref().to_owned(), attributes.collect(), String::new()));
                }
                Event::Text(part) => {
                    if open {
                        found.last_mut().unwrap().2.push_str(&part);
                    } else {
                        assert!(part.trim().is_empty(), "{text}");
                    }
                }
                Event::GeneralRef(name) => {
                    let text = quick_xml::escape::resolve_predefined_entity(&name).unwrap();
                    found.last_mut().unwrap().2.push_str(text);
                }
                Event::End(_) | Event::Decl(_) => {}
                Event::Eof => break,
                other => panic!("{other:?}"),
            }
        }
        found
    }

    #[test]
    fn the_layout_follows_from_the_content_alone() {
        let one = "<?xml version=\"1.0\"?><settings ><phone-settings e='2'><a idx = \"1\" perm=\"R\"> x &amp; y</a>\n\n<b/><c>\n</c></phone-settings>\n</settings>\n\n";
        let two = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<settings>\n   <phone-settings e=\"2\">\n<a idx=\"1\" perm=\"R\">x &#38; y\n</a><b /><c></c></phone-settings></settings>";
        let expected = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<settings>\n  <phone-settings e=\"2\">\n    <a idx=\"1\" perm=\"R\">x &amp; y</a>\n    <b/>\n    <c></c>\n  </phone-settings>\n</settings>\n";
        assert_eq!(finish(one, None).unwrap(), expected);
        assert_eq!(finish(two, None).unwrap(), expected);
        assert_eq!(finish(expected, None).unwrap(), expected);
    }

    #[test]
    fn the_last_look_refuses() {
        for (text, line, part) in [
            ("", 1, "empty"),
            ("a = 1", 1, "well-formed"),
            ("<a>\n<b>\n</a>", 3, "another name"),
            ("<a>", 1, "not closed"),
            ("<a/><b/>", 1, "well-formed"),
            ("<a x=\"1\" x=\"2\"/>", 1, "twice"),
            ("<a x=1/>", 1, "well-formed"),
            ("<a>&uuml;</a>", 1, "reference"),
            ("<a>\n<!-- note -->\n</a>", 2, "comment"),
            ("<a>\n<?php x ?></a>", 2, "instruction"),
            ("<a>\n<![CDATA[x]]></a>", 2, "CDATA"),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", 1, "document type"),
            ("<a>x<b/></a>", 1, "beside elements"),
            ("<a>x\ny</a>", 1, "line break"),
            ("<a xmlns=\"urn:x\"/>", 1, "namespaces"),
            ("<a>\u{1}</a>", 1, "must not stand there"),
        ] {
            let fault = finish(text, None).unwrap_err();
            assert!(fault.reason.contains(part), "{text}: {fault:?}");
            assert_eq!(fault.line, line, "{text}: {fault:?}");
        }
        let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
        assert!(finish(&deep, None).unwrap_err().reason.contains("deep"));
    }

    #[test]
    fn the_open_stage_holds_only_the_names_it_may() {
        let only = |key: &str| ["settings", "phone-settings", "setting_server"].contains(&key);
        let file = |inner: &str| format!("<settings><phone-settings e=\"2\">{inner}</phone-settings></settings>");
        assert!(finish(&file("<setting_server perm=\"RW\">http://x/</setting_server>"), Some(&only)).is_ok());
        let fault = finish(&file("<user_pass idx=\"1\">secret</user_pass>"), Some(&only)).unwrap_err();
        assert_eq!(fault.reason, "user_pass must not stand in the open stage");
    }

    #[test]
    fn values_have_their_place_in_a_line() {
        let hidden = |line: &str| super::super::Format::Xml.hidden(line, &super::super::Shape::default());
        for (line, masked) in [
            (
                "    <user_pass idx=\"1\" perm=\"R\">a &lt;b&gt;</user_pass>",
                "    <user_pass idx=\"1\" perm=\"R\">***</user_pass>",
            ),
            ("    <user_pass idx=\"1\" perm=\"R\"></user_pass>", "    <user_pass idx=\"1\" perm=\"R\"></user_pass>"),
            ("  <account user=\"x\" pass=\"y\"/>", "  <account user=\"***\" pass=\"***\"/>"),
            ("<phone-settings e=\"2\">", "<phone-settings e=\"2\">"),
            ("</settings>", "</settings>"),
            ("<?xml version=\"1.0\" encoding=\"utf-8\"?>", "<?xml version=\"1.0\" encoding=\"utf-8\"?>"),
        ] {
            assert_eq!(hidden(line), masked);
        }
        assert_eq!(place("  <user_pass idx=\"1\">x</user_pass>").unwrap().key, "user_pass");
    }

    proptest! {
        #[test]
        fn a_value_stays_one_value(value in any::<String>()) {
            let text = escaped(&value);
            let file = finish(&format!("<s><k idx=\"1\" label=\"{text}\">{text}</k><n l='{text}'/></s>"), None).unwrap();
            let back = read(&file);
            let plain = cleaned(&value);
            prop_assert_eq!(back.len(), 3);
            prop_assert_eq!(&back[1].0, "k");
            prop_assert_eq!(&back[1].1, &vec![("idx".to_owned(), "1".to_owned()), ("label".to_owned(), plain.clone())]);
            prop_assert_eq!(&back[1].2, &plain);
            prop_assert_eq!(&back[2].1, &vec![("l".to_owned(), plain.clone())]);
            prop_assert_eq!(file.lines().count(), 4);
        }

        #[test]
        fn markup_in_a_value_stays_text(value in "[<>&\"'/=a!?\\[\\]#;: \\-\n]{0,24}") {
            let text = escaped(&value);
            let file = finish(&format!("<s><k label=\"{text}\">{text}</k></s>"), None).unwrap();
            let back = read(&file);
            prop_assert_eq!(back.len(), 2);
            prop_assert_eq!(back[1].1.len(), 1);
            prop_assert_eq!(&back[1].2, &cleaned(&value));
        }

        #[test]
        fn a_plain_value_is_not_touched(value in "[A-Za-z0-9#$%(-;=?-~äöü€😀]{0,40}") {
            prop_assert_eq!(escaped(&value), value.clone());
            prop_assert!(is_exact(&value));
        }
    }
}
