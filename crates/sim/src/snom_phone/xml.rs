//! The phone's XML parser: elements, attributes, texts. XML features that the vendor's settings pages do not mention
//! (document types, namespaces, processing instructions) make it reject the file.

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    /// Its own text, without the text of its children.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

/// Maximum nesting depth; deeper input is rejected.
const DEEPEST: usize = 16;

impl Element {
    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Parses a file and returns its root element.
pub(super) fn read(file: &str) -> Result<Element, String> {
    let mut reader = Reader { rest: file };
    if let Some(after) = reader.rest.strip_prefix("<?xml ") {
        let (_, after) = after.split_once("?>").ok_or("the declaration is not closed")?;
        reader.rest = after;
    }
    reader.skip_between()?;
    let root = reader.element(0)?;
    reader.skip_between()?;
    if reader.rest.is_empty() { Ok(root) } else { Err("something follows the root element".into()) }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Skips white space and comments.
    fn skip_between(&mut self) -> Result<(), String> {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix("<!--") {
                Some(comment) => self.rest = comment.split_once("-->").ok_or("a comment is not closed")?.1,
                None => return Ok(()),
            }
        }
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let end = self.rest.find(|c| !word(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(format!("'{name}' is no name"));
        }
        self.rest = rest;
        Ok(name.into())
    }

    fn element(&mut self, depth: usize) -> Result<Element, String> {
        if depth > DEEPEST || !self.take("<") {
            return Err("an element was expected, not nested too deeply".into());
        }
        let mut element = Element { name: self.name()?, ..Element::default() };
        loop {
            let before = self.rest;
            self.rest = self.rest.trim_start();
            if self.take("/>") {
                return Ok(element);
            }
            if self.take(">") {
                break;
            }
            if before.len() == self.rest.len() {
                return Err(format!("<{}> holds something odd", element.name));
            }
            let name = self.name()?;
            let quote = match self.rest.strip_prefix('=').and_then(|rest| rest.chars().next()) {
                Some(quote @ ('"' | '\'')) => quote,
                _ => return Err(format!("the attribute {name} has no quoted value")),
            };
            let after = self.rest.get(2..).unwrap_or_default();
            let (value, after) = after.split_once(quote).ok_or("an attribute is not closed")?;
            if value.contains('<') || element.attribute(&name).is_some() {
                return Err(format!("the attribute {name} is malformed or stands there twice"));
            }
            element.attributes.push((name, resolve(value)?));
            self.rest = after;
        }
        self.content(&mut element, depth)?;
        Ok(element)
    }

    fn content(&mut self, element: &mut Element, depth: usize) -> Result<(), String> {
        loop {
            let end = self.rest.find('<').ok_or_else(|| format!("<{}> is not closed", element.name))?;
            let (text, rest) = self.rest.split_at(end);
            if text.contains("]]>") {
                return Err("']]>' stands in a text".into());
            }
            element.text.push_str(&resolve(text)?);
            self.rest = rest;
            if self.take("</") {
                let name = self.name()?;
                self.rest = self.rest.trim_start();
                if name != element.name || !self.take(">") {
                    return Err(format!("</{name}> closes <{}>", element.name));
                }
                return Ok(());
            }
            if self.rest.starts_with("<!--") {
                self.rest = self.rest.split_once("-->").ok_or("a comment is not closed")?.1;
                continue;
            }
            element.children.push(self.element(depth + 1)?);
        }
    }
}

/// Resolves entities and character references.
fn resolve(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = after.split_once(';').ok_or("'&' begins no entity")?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => character(entity).ok_or_else(|| format!("&{entity}; is unknown"))?,
        });
        rest = after;
    }
    out.push_str(rest);
    if out.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("a control character stands in a text".into());
    }
    Ok(out)
}

fn character(entity: &str) -> Option<char> {
    let digits = entity.strip_prefix('#')?;
    let code = match digits.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read() {
        let root = read(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- a --><settings>\n <phone-settings e=\"2\">\
             <user_realname idx=\"1\" perm='R'>M\u{fc}ller &amp; S&#246;hne &lt;b&gt; &quot;x&apos; &#x1F600;</user_realname>\
             <stun_server/></phone-settings></settings>\n",
        )
        .unwrap();
        let block = &root.children[0];
        assert_eq!((root.name.as_str(), block.attribute("e")), ("settings", Some("2")));
        assert_eq!(block.children[0].text, "Müller & Söhne <b> \"x' 😀");
        assert_eq!(block.children[0].attribute("idx"), Some("1"));
        assert_eq!(block.children[1], Element { name: "stun_server".into(), ..Element::default() });
    }

    #[test]
    fn an_invalid_settings_file_is_rejected() {
        for text in [
            "",
            "404",
            "<a>",
            "<a></b>",
            "<a><b></a></b>",
            "<a x=1/>",
            "<a x='1' x='2'/>",
            "<a>&nbsp;</a>",
            "<a>& </a>",
            "<a/><b/>",
            "<a>\u{1}</a>",
            "<a>&#1;</a>",
            "<!DOCTYPE a><a/>",
            "<html><body>Not found<br></body></html>",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(read(&"<a>".repeat(100)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}", mess in "(</?[ab]( x=\"[a&]?\")?/?>|x|&amp;|<!--){0,20}") {
            let _ = read(&text);
            let _ = read(&mess);
        }
    }
}
