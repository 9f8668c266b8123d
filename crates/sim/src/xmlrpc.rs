//! The part of XML-RPC that the redirection services need. Parsing is lenient: the XML declaration is optional, any
//! whitespace may separate elements, and texts may have a type element or CDATA.

/// The answer to a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum XmlRpcReply {
    /// A pair of a boolean and a text.
    Text(bool, String),
    /// A boolean followed by several texts.
    Texts(bool, Vec<String>),
    /// A pair of a boolean and an array of texts.
    List(Vec<String>),
    /// `<fault>` with code 0.
    Fault(String),
}

impl XmlRpcReply {
    pub(super) fn brief(&self) -> String {
        match self {
            Self::Text(_, text) | Self::Fault(text) => text.clone(),
            Self::Texts(_, texts) | Self::List(texts) => texts.join(","),
        }
    }
}

/// How a service formats its answers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Style {
    /// Indented output.
    pub(super) pretty: bool,
    /// Texts are wrapped in `<string>`.
    pub(super) typed: bool,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Any scalar, as its text.
    Text(String),
    /// An array.
    Array(Vec<Value>),
}

impl Value {
    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Array(_) => None,
        }
    }

    /// The texts of an array of scalars.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<&str>> {
        match self {
            Self::Array(values) => values.iter().map(Self::text).collect(),
            Self::Text(_) => None,
        }
    }
}

/// Maximum nesting depth; deeper input is rejected.
const DEEPEST: usize = 16;

#[derive(Debug, PartialEq)]
enum Token {
    Open(String),
    Close(String),
    Text(String),
}

/// Parses the method name and parameters of a `methodCall`.
pub(super) fn read_call(xml: &str) -> Result<(String, Vec<Value>), String> {
    let tokens = tokens(xml)?;
    let mut method = String::new();
    let mut params = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::Open(name) if name == "methodName" => {
                if let Some(Token::Text(text)) = tokens.get(at) {
                    method = text.trim().to_owned();
                }
            }
            Token::Open(name) if name == "value" => params.push(value(&tokens, &mut at, 0)?),
            _ => {}
        }
    }
    if method.is_empty() { Err("no methodName".into()) } else { Ok((method, params)) }
}

/// Parses what follows `<value>`, up to and including `</value>`.
fn value(tokens: &[Token], at: &mut usize, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err("nested too deeply".into());
    }
    let (mut text, mut typed) = (String::new(), None);
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token {
            Token::Close(name) if name == "value" => {
                return Ok(typed.unwrap_or(Value::Text(text)));
            }
            Token::Open(name) if name == "array" => {
                let mut inner = Vec::new();
                while let Some(token) = tokens.get(*at) {
                    *at += 1;
                    match token {
                        Token::Open(name) if name == "value" => inner.push(value(tokens, at, depth + 1)?),
                        Token::Close(name) if name == "array" => break,
                        _ => {}
                    }
                }
                typed = Some(Value::Array(inner));
            }
            Token::Open(name) => {
                let mut inside = String::new();
                while let Some(Token::Text(piece)) = tokens.get(*at) {
                    inside.push_str(piece);
                    *at += 1;
                }
                if tokens.get(*at) != Some(&Token::Close(name.clone())) {
                    return Err(format!("<{name}> is not closed"));
                }
                *at += 1;
                typed = Some(Value::Text(inside));
            }
            Token::Text(piece) => text.push_str(piece),
            Token::Close(name) => return Err(format!("</{name}> inside a value")),
        }
    }
    Err("a value is not closed".into())
}

fn tokens(xml: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = xml;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("<![CDATA[") {
            let (text, after) = after.split_once("]]>").ok_or("CDATA is not closed")?;
            found.push(Token::Text(text.into()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('<') {
            let (tag, after) = after.split_once('>').ok_or("a tag is not closed")?;
            rest = after;
            if tag.starts_with(['?', '!']) {
                continue;
            }
            let name = |tag: &str| tag.split_whitespace().next().unwrap_or_default().to_owned();
            if let Some(tag) = tag.strip_prefix('/') {
                found.push(Token::Close(name(tag)));
            } else if let Some(tag) = tag.strip_suffix('/') {
                found.push(Token::Open(name(tag)));
                found.push(Token::Close(name(tag)));
            } else {
                found.push(Token::Open(name(tag)));
            }
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            let (text, after) = rest.split_at(end);
            // Whitespace between elements is ignored; whitespace inside a text is kept.
            if !text.trim().is_empty() {
                found.push(Token::Text(unescape(text)));
            }
            rest = after;
        }
    }
    Ok(found)
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Writes the answer as the Apache library does, or with typed texts.
pub(super) fn write_answer(answer: &XmlRpcReply, style: Style) -> String {
    let value = |text: &String| match style.typed {
        true => format!("<value><string>{}</string></value>", escape(text)),
        false => format!("<value>{}</value>", escape(text)),
    };
    let array = |success: bool, rest: &str| {
        let success = u8::from(success);
        format!(
            "<params><param><value><array><data><value><boolean>{success}</boolean></value>{rest}</data></array>\
             </value></param></params>"
        )
    };
    let content = match answer {
        XmlRpcReply::Text(success, text) => array(*success, &value(text)),
        XmlRpcReply::Texts(success, texts) => array(*success, &texts.iter().map(value).collect::<String>()),
        XmlRpcReply::List(texts) => {
            let texts: String = texts.iter().map(value).collect();
            array(true, &format!("<value><array><data>{texts}</data></array></value>"))
        }
        XmlRpcReply::Fault(text) => format!(
            "<fault><value><struct><member><name>faultCode</name><value><i4>0</i4></value></member><member>\
             <name>faultString</name>{}</member></struct></value></fault>",
            value(text)
        ),
    };
    let whole = format!(
        "<methodResponse xmlns:ex=\"http://ws.apache.org/xmlrpc/namespaces/extensions\">{content}</methodResponse>"
    );
    let whole = if style.pretty { whole.replace("><", ">\n  <") } else { whole };
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_however_they_are_written() {
        let text = |text: &str| Value::Text(text.into());
        let plain = "<methodCall><methodName>redirect.checkDevice</methodName><params><param><value>\
                     <string>00-15-65-11-22-33</string></value></param></params></methodCall>";
        assert_eq!(read_call(plain).unwrap(), ("redirect.checkDevice".into(), vec![text("00-15-65-11-22-33")]));
        let indented = "<?xml version='1.0'?>\n<methodCall>\n <methodName>m</methodName>\n <params>\n  <param>\n   \
                        <value>\n <string><![CDATA[a<b]]></string>\n </value></param><param><value>c &amp; d</value>\
                        </param></params></methodCall>";
        assert_eq!(read_call(indented).unwrap().1, vec![text("a<b"), text("c & d")]);
        let array = "<methodCall><methodName>m</methodName><params><param><value><array><data><value>1</value>\
                     <value><string/></value></data></array></value></param></params></methodCall>";
        assert_eq!(read_call(array).unwrap().1, vec![Value::Array(vec![text("1"), text("")])]);
        assert!(read_call("<methodCall><value>").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}", mess in "(</?(value|array|data|string|methodName)/?>|x){0,30}") {
            let _ = read_call(&text);
            let _ = read_call(&mess);
        }
    }
}
