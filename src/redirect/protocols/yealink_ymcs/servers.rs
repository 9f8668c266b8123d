//! The server entry at YMCS: changes it if it exists, adds it if not.

use serde_json::{Value, json};
use url::Url;

use super::{
    response as answers,
    response::YmcsError,
    session::{Move, Plan, YmcsCall},
};
use crate::redirect::{
    operation::ServerEntry,
    protocol::CallKind,
    result::{Done, RedirectResult},
    server_name::alternative_name,
};

/// Maximum length of a name at the service.
const LONGEST: usize = 20;
/// Length of the suffix that distinguishes names of different URLs: `-` and eight hex digits.
const TAIL: usize = 9;
/// Page size; the filter contains a whole name.
const PAGE: usize = 100;
/// Number of other names to try when a name belongs to another customer.
const OTHER_NAMES: u32 = 3;

/// Splits a URL into the URL without `user:password@`, and the credentials.
pub(crate) fn in_url(url: &str) -> (String, Option<(String, String)>) {
    let Ok(mut parsed) = Url::parse(url) else { return (url.to_owned(), None) };
    if parsed.username().is_empty() {
        return (url.to_owned(), None);
    }
    // The credentials of the shared account contain only characters that need no escaping.
    let credentials = (parsed.username().to_owned(), parsed.password().unwrap_or_default().to_owned());
    // Both calls fail only for URLs without a host.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    (parsed.into(), Some(credentials))
}

/// Shortens a name to at most twenty characters and keeps the distinguishing suffix.
pub(crate) fn fitted(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let chars: Vec<char> = name.chars().collect();
    let tail = chars.get(chars.len().saturating_sub(TAIL)..).unwrap_or_default();
    let has_tail = tail.first() == Some(&'-') && tail.iter().skip(1).all(char::is_ascii_hexdigit);
    let (stem, tail) = if has_tail { (LONGEST - TAIL, tail) } else { (LONGEST, &[][..]) };
    let stem: String = chars.iter().take(stem).collect();
    format!("{}{}", stem.trim_end(), tail.iter().collect::<String>())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Searching,
    Writing,
}

/// Makes sure that the entry exists with this URL.
pub(crate) struct EnsureServer {
    server: ServerEntry,
    state: State,
    attempt: u32,
}

impl EnsureServer {
    pub(crate) fn new(server: &ServerEntry) -> Self {
        Self { server: server.clone(), state: State::Searching, attempt: 0 }
    }

    fn search(&mut self) -> Move {
        self.state = State::Searching;
        let filter = json!({"name": fitted(&self.server.name)});
        let body = json!({"skip": 0, "limit": PAGE, "autoCount": true, "filter": filter});
        Move::ask(YmcsCall::post(CallKind::AddServer, "rps/listServers", body))
    }

    fn write(&mut self, id: Option<String>) -> Move {
        self.state = State::Writing;
        let (url, credentials) = in_url(self.server.url.expose());
        let mut body = json!({"serverName": fitted(&self.server.name), "url": url});
        if let (Some(object), Some((user, password))) = (body.as_object_mut(), credentials) {
            object.insert("authName".to_owned(), user.into());
            object.insert("password".to_owned(), password.into());
        }
        // Write it even if the URL is unchanged, because the stored password cannot be read.
        Move::ask(match id {
            Some(id) => YmcsCall::patch(CallKind::AddServer, format!("rps/servers/{id}"), body),
            None => YmcsCall::post(CallKind::AddServer, "rps/servers", body),
        })
    }

    fn searched(&mut self, answer: Result<Value, YmcsError>) -> (RedirectResult, Move) {
        let outcome = match answer {
            Ok(value) => match answers::page(&value) {
                Some(page) => {
                    let known = answers::server_in(page.rows, &fitted(&self.server.name));
                    return (RedirectResult::done(), self.write(known));
                }
                None => RedirectResult::Unknown("an answer without a list of servers".to_owned()),
            },
            Err(refusal) => refusal.outcome(),
        };
        (outcome.clone(), Move::Done(outcome))
    }

    fn written(&mut self, answer: Result<Value, YmcsError>) -> (RedirectResult, Move) {
        let outcome = match answer {
            Ok(_) => {
                let renamed = (self.attempt > 0).then(|| self.server.name.clone());
                return (RedirectResult::done(), Move::Done(RedirectResult::Ok(Done { renamed, ..Done::default() })));
            }
            // The name is not in our list but exists: it belongs to another customer.
            Err(YmcsError::Exists(_)) if self.attempt < OTHER_NAMES => {
                let taken = RedirectResult::ServerNameTaken { name: fitted(&self.server.name), foreign: true };
                self.attempt += 1;
                self.server.name = alternative_name(&self.server.name, self.server.url.expose(), self.attempt);
                return (taken, self.search());
            }
            Err(YmcsError::Exists(_)) => {
                RedirectResult::ServerNameTaken { name: fitted(&self.server.name), foreign: true }
            }
            Err(refusal) => refusal.outcome(),
        };
        (outcome.clone(), Move::Done(outcome))
    }
}

impl Plan for EnsureServer {
    fn begin(&mut self) -> Move {
        self.search()
    }

    fn on_answer(&mut self, answer: Result<Value, YmcsError>) -> (RedirectResult, Move) {
        match self.state {
            State::Searching => self.searched(answer),
            State::Writing => self.written(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_and_keeps_what_distinguishes_it() {
        assert_eq!(fitted("example.com"), "example.com");
        assert_eq!(fitted("a-very-long-domain.branc"), "a-very-long-domain.b");
        assert_eq!(fitted("communications.-0a1b2c3d"), "communicati-0a1b2c3d");
        assert_eq!(fitted("communications.-0a1b2c3g"), "communications.-0a1b");
        for name in ["communications.-0a1b2c3d", "a-very-long-domain.branc"] {
            assert!(fitted(name).len() <= LONGEST);
        }
    }

    #[test]
    fn credentials_leave_the_url() {
        let (url, credentials) = in_url("https://boot:s3cret@gw.example.com/a/phone/");
        assert_eq!(url, "https://gw.example.com/a/phone/");
        assert_eq!(credentials, Some(("boot".to_owned(), "s3cret".to_owned())));
        assert_eq!(in_url("https://gw/p/t/"), ("https://gw/p/t/".to_owned(), None));
    }
}
