//! The XML-RPC codec of all redirect protocols that use XML-RPC. Values and calls are types of dxr. Responses are
//! parsed by a separate parser into dxr values, because the services' responses are compact or indented, typed or
//! untyped, and contain CDATA, foreign attributes and extension types, and because the nesting depth must be limited.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use dxr::{MethodCall, Value};
use quick_xml::{
    Reader,
    events::{BytesRef, Event},
};

/// Maximum nesting depth. Real responses nest four levels deep.
const DEEPEST: usize = 16;

/// A well-formed response.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The single value of a response.
    Value(Value),
    /// A fault, such as an unknown method or an internal error of the service.
    Fault {
        /// The service's fault code.
        code: i32,
        /// The service's fault text.
        text: String,
    },
}

/// Why bytes are not a valid response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The text does not begin with `<methodResponse>`.
    #[error("{0}")]
    NotXmlRpc(String),
    /// The text begins correctly but is malformed.
    #[error("{0}")]
    Broken(String),
}

/// Serializes a call with only string parameters, as the redirect services require.
pub fn call(method: &str, parameters: &[&str]) -> Result<String, dxr::Error> {
    let params = parameters.iter().map(|text| Value::String((*text).to_owned())).collect();
    let call = MethodCall { name: method.into(), params };
    // dxr writes no XML declaration. The services accept both forms, but older servers require it.
    Ok(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{}", call.to_xml()?))
}

/// Parses a response.
pub fn decode(text: &str) -> Result<Reply, DecodeError> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let not_xmlrpc = || DecodeError::NotXmlRpc(text.chars().take(80).collect());
    let mut decoder = Decoder { reader: Reader::from_str(text) };
    loop {
        match decoder.reader.read_event() {
            Ok(Event::Decl(_) | Event::Comment(_) | Event::PI(_)) => {}
            Ok(Event::Text(blank)) if blank.trim().is_empty() => {}
            Ok(Event::Start(start)) if start.local_name().as_ref() == "methodResponse" => break,
            _ => return Err(not_xmlrpc()),
        }
    }
    let reply = match decoder.child()?.as_deref() {
        Some("params") => {
            decoder.expect("param")?;
            decoder.expect("value")?;
            let value = decoder.value(0)?;
            decoder.close()?;
            decoder.close()?;
            Reply::Value(value)
        }
        Some("fault") => {
            decoder.expect("value")?;
            let value = decoder.value(0)?;
            decoder.close()?;
            fault(value)
        }
        _ => return Err(DecodeError::Broken("it holds neither params nor a fault".to_owned())),
    };
    decoder.close()?;
    Ok(reply)
}

fn fault(value: Value) -> Reply {
    let Value::Struct(members) = value else {
        return Reply::Fault { code: 0, text: text_of(&value) };
    };
    let code = match members.get("faultCode") {
        Some(Value::Integer(code)) => *code,
        Some(other) => text_of(other).trim().parse().unwrap_or(0),
        None => 0,
    };
    Reply::Fault { code, text: members.get("faultString").map(text_of).unwrap_or_default() }
}

/// Formats a value for display.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(", "),
        Value::Struct(members) => {
            members.iter().map(|(name, value)| format!("{name}: {}", text_of(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Base64(bytes) => format!("{} bytes", bytes.len()),
        _ => String::new(),
    }
}

struct Decoder<'a> {
    reader: Reader<&'a [u8]>,
}

/// The next node inside an element.
enum Inside {
    Child(String),
    Empty(String),
    Text(String),
    End,
}

impl Decoder<'_> {
    fn inside(&mut self) -> Result<Inside, DecodeError> {
        loop {
            let event = self.reader.read_event().map_err(|error| DecodeError::Broken(error.to_string()))?;
            return Ok(match event {
                Event::Start(start) => Inside::Child(start.local_name().as_ref().to_owned()),
                Event::Empty(start) => Inside::Empty(start.local_name().as_ref().to_owned()),
                Event::End(_) => Inside::End,
                Event::Text(text) => Inside::Text(text.to_string()),
                Event::CData(text) => Inside::Text(text.to_string()),
                Event::GeneralRef(name) => Inside::Text(referred(&name)),
                Event::Eof => return Err(DecodeError::Broken("it ends in the middle".to_owned())),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => continue,
            });
        }
    }

    /// The name of the next child element; `None` at the end of the parent. Text between elements is ignored.
    fn child(&mut self) -> Result<Option<String>, DecodeError> {
        loop {
            match self.inside()? {
                Inside::Child(name) => return Ok(Some(name)),
                Inside::Empty(_) | Inside::Text(_) => {}
                Inside::End => return Ok(None),
            }
        }
    }

    fn expect(&mut self, name: &str) -> Result<(), DecodeError> {
        match self.child()? {
            Some(found) if found == name => Ok(()),
            Some(found) => Err(DecodeError::Broken(format!("<{found}> stands where <{name}> belongs"))),
            None => Err(DecodeError::Broken(format!("<{name}> is missing"))),
        }
    }

    /// Skips to the end of the current element.
    fn close(&mut self) -> Result<(), DecodeError> {
        let mut depth = 0_usize;
        loop {
            match self.inside()? {
                Inside::Child(_) => depth += 1,
                Inside::End if depth == 0 => return Ok(()),
                Inside::End => depth -= 1,
                Inside::Empty(_) | Inside::Text(_) => {}
            }
        }
    }

    /// Reads the text up to the end of the current element.
    fn text(&mut self) -> Result<String, DecodeError> {
        let mut text = String::new();
        loop {
            match self.inside()? {
                Inside::Text(part) => text.push_str(&part),
                Inside::Child(_) => self.close()?,
                Inside::Empty(_) => {}
                Inside::End => return Ok(text),
            }
        }
    }

    /// Reads the value whose `<value>` tag was just read, up to its end tag.
    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        if depth > DEEPEST {
            return Err(DecodeError::Broken(format!("values nest deeper than {DEEPEST} levels")));
        }
        let mut untyped = String::new();
        loop {
            match self.inside()? {
                Inside::Text(part) => untyped.push_str(&part),
                Inside::Empty(name) if name == "array" => return self.closed(Value::Array(Vec::new())),
                Inside::Empty(name) if name == "struct" => return self.closed(Value::Struct(BTreeMap::new())),
                Inside::Empty(_) => return self.closed(Value::String(String::new())),
                Inside::Child(kind) => {
                    let value = self.typed(&kind, depth)?;
                    return self.closed(value);
                }
                Inside::End => return Ok(Value::String(untyped)),
            }
        }
    }

    fn closed(&mut self, value: Value) -> Result<Value, DecodeError> {
        self.close()?;
        Ok(value)
    }

    fn typed(&mut self, kind: &str, depth: usize) -> Result<Value, DecodeError> {
        let odd = |text: &str| DecodeError::Broken(format!("'{text}' is no {kind}"));
        match kind {
            "array" => self.array(depth),
            "struct" => self.structure(depth),
            _ => {
                let text = self.text()?;
                let word = text.trim();
                Ok(match kind {
                    "boolean" => Value::Boolean(match word {
                        "1" | "true" => true,
                        "0" | "false" => false,
                        _ => return Err(odd(word)),
                    }),
                    // A number that is out of range is kept as text, because no protocol here calculates with it.
                    "int" | "i4" | "i8" => word.parse().map_or(Value::String(text.clone()), Value::Integer),
                    "double" => word.parse().map_or(Value::String(text.clone()), Value::Double),
                    "base64" => {
                        let compact: String = word.split_whitespace().collect();
                        BASE64_STANDARD.decode(compact).map(Value::Base64).map_err(|error| odd(&error.to_string()))?
                    }
                    // string, dateTime.iso8601, and types of other extensions.
                    _ => Value::String(text),
                })
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut values = Vec::new();
        while let Some(name) = self.child()? {
            if name == "data" {
                while let Some(name) = self.child()? {
                    if name == "value" { values.push(self.value(depth + 1)?) } else { self.close()? }
                }
            } else {
                self.close()?;
            }
        }
        Ok(Value::Array(values))
    }

    fn structure(&mut self, depth: usize) -> Result<Value, DecodeError> {
        let mut members = BTreeMap::new();
        while let Some(name) = self.child()? {
            if name != "member" {
                self.close()?;
                continue;
            }
            let (mut key, mut value) = (None, None);
            while let Some(part) = self.child()? {
                match part.as_str() {
                    "name" => key = Some(self.text()?.trim().to_owned()),
                    "value" => value = Some(self.value(depth + 1)?),
                    _ => self.close()?,
                }
            }
            if let (Some(key), Some(value)) = (key, value) {
                members.insert(key, value);
            }
        }
        Ok(Value::Struct(members))
    }
}

/// Resolves the reference `&...;`. Only the five predefined XML entities and numeric references are supported. Entities
/// defined in the response are not expanded and remain as written.
fn referred(name: &BytesRef) -> String {
    if let Ok(Some(character)) = name.resolve_char_ref() {
        return character.to_string();
    }
    let name: &str = name;
    quick_xml::escape::resolve_predefined_entity(name).map_or_else(|| format!("&{name};"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(yes: bool, text: &str) -> Reply {
        Reply::Value(Value::Array(vec![Value::Boolean(yes), Value::String(text.to_owned())]))
    }

    fn wrapped(value: &str) -> String {
        format!("<methodResponse><params><param><value>{value}</value></param></params></methodResponse>")
    }

    #[test]
    fn every_form_of_an_answer_is_read() {
        for (form, text) in [
            ("untyped", "OK"),
            ("typed", "<string>OK</string>"),
            ("cdata", "<![CDATA[OK]]>"),
            ("typed cdata", "<string><![CDATA[OK]]></string>"),
            ("references", "&#79;&#x4b;"),
        ] {
            let compact =
                format!("<array><data><value><boolean>1</boolean></value><value>{text}</value></data></array>");
            assert_eq!(decode(&wrapped(&compact)), Ok(pair(true, "OK")), "{form}");
            let with_declaration = format!("\u{feff}<?xml version='1.0'?>\n<!-- x -->{}", wrapped(&compact));
            assert_eq!(decode(&with_declaration), Ok(pair(true, "OK")), "{form}");
        }
    }

    #[test]
    fn entities_are_resolved_once_and_never_expanded() {
        let text = wrapped("a &amp;lt; b &unknown; &lt;c&gt;");
        assert_eq!(decode(&text), Ok(Reply::Value(Value::String("a &lt; b &unknown; <c>".to_owned()))));
    }

    #[test]
    fn other_types_do_not_disturb() {
        let text = wrapped(
            "<struct xmlns:ex='u'><member><name>a</name><value><ex:nil/></value></member><member>\
             <value><i8>99999999999</i8></value><name>b</name></member></struct>",
        );
        let Ok(Reply::Value(Value::Struct(members))) = decode(&text) else { panic!("{:?}", decode(&text)) };
        assert_eq!(members["a"], Value::String(String::new()));
        assert_eq!(members["b"], Value::String("99999999999".to_owned()));
    }

    #[test]
    fn what_is_no_answer_is_told_apart_from_half_an_answer() {
        let whole = wrapped("<array><data><value><boolean>1</boolean></value><value>OK</value></data></array>");
        for end in 0..whole.len() {
            let error = decode(&whole[..end]).unwrap_err();
            let begun = end >= "<methodResponse>".len();
            assert_eq!(matches!(error, DecodeError::Broken(_)), begun, "{end}: {error:?}");
        }
        for page in
            ["", "<!DOCTYPE html><html></html>", "<html><body>x</body></html>", "Service Unavailable", "\0\u{1}"]
        {
            assert!(matches!(decode(page), Err(DecodeError::NotXmlRpc(_))), "{page:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}{}", "<array><data><value>".repeat(100_000), "</value></data></array>".repeat(100_000));
        assert!(matches!(decode(&wrapped(&deep)), Err(DecodeError::Broken(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(text in ".{0,300}") {
            let _ = decode(&text);
            let _ = decode(&format!("<methodResponse>{text}"));
            let _ = decode(&wrapped(&text));
        }

        #[test]
        fn no_soup_of_tags_panics(parts in proptest::collection::vec(proptest::sample::select(vec![
            "<methodResponse>", "</methodResponse>", "<params>", "</params>", "<param>", "</param>", "<value>", "</value>",
            "<array>", "</array>", "<data>", "</data>", "<boolean>", "</boolean>", "1", "<struct>", "<member>", "<name>",
            "<fault>", "<![CDATA[", "]]>", "&#0;", "&#xffffffff;", "<nil/>", "<base64>",
        ]), 0..40)) {
            let _ = decode(&parts.concat());
            let _ = decode(&format!("<methodResponse>{}", parts.concat()));
        }

        #[test]
        fn a_text_survives_the_way_through_our_encoder(text in "[^\u{0}-\u{1f}\u{7f}\u{fffe}\u{ffff}]{0,60}") {
            let sent = call("redirect.addServer", &["name", &text]).unwrap();
            let body = sent.split_once("?>").unwrap().1;
            let parsed = MethodCall::from_xml(body).unwrap();
            proptest::prop_assert_eq!(&parsed.params[1], &Value::String(text.clone()));
            let echoed = wrapped(&Value::String(text.clone()).to_xml().unwrap().replace("<value>", "").replace("</value>", ""));
            proptest::prop_assert_eq!(decode(&echoed), Ok(Reply::Value(Value::String(text))));
        }
    }
}
