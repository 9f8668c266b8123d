//! A response as the client of these tests reads it.

/// A complete response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Lower-case names, sorted, without `Date`.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// Whether these bytes are a complete response. `bodiless`: the response to a HEAD.
    pub fn is_whole(bytes: &[u8], bodiless: bool) -> bool {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
        let answer = Self::parse(&bytes[..end + 4]);
        let length = answer.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        bodiless || matches!(answer.status, 204 | 304) || bytes.len() >= end + 4 + length
    }

    /// Reads a complete response.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .filter(|(name, _)| name != "date")
            .collect();
        headers.sort();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the response without the parts that differ in every challenge.
    pub fn shape(mut self) -> Self {
        for (name, value) in &mut self.headers {
            if name == "www-authenticate" {
                let start = value.find("nonce=\"").unwrap() + 7;
                let length = value[start..].find('"').unwrap();
                value.replace_range(start..start + length, &"n".repeat(length));
            }
        }
        self
    }
}
