//! What the redirect services that use XML-RPC have in common: HTTP Basic, string parameters only, and an answer of a
//! boolean and a text whose prefix and spacing differ between versions.

use dxr::Value;
use gangway_base::secret::Secret;
use gangway_wire::xmlrpc::{self, DecodeError, Reply, text_of};
use url::Url;

use crate::{
    net::http::{Method, Request},
    redirect::{
        operation::RedirectAccount,
        protocol::{CallKind, NextCall, ServiceRequest, ServiceResponse},
        result::{RedirectFailure, RedirectResult},
    },
};

/// The address and credentials for calls.
pub(crate) struct RpcCaller {
    url: Url,
    user: String,
    password: Secret,
}

impl RpcCaller {
    pub(crate) fn new(url: Url, account: &RedirectAccount) -> Self {
        Self { url, user: account.user.clone(), password: account.password.clone() }
    }

    pub(crate) fn call(&self, command: CallKind, method: &str, parameters: &[&str]) -> NextCall {
        match xmlrpc::call(method, parameters) {
            Ok(body) => {
                let request = Request::new(Method::Post, self.url.clone())
                    .header("content-type", "text/xml")
                    .basic(self.user.clone(), self.password.clone())
                    .body(body);
                NextCall::Send(Box::new(ServiceRequest::plain(command, request)))
            }
            Err(error) => NextCall::Done(RedirectResult::Unknown(format!("the call could not be written: {error}"))),
        }
    }
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RpcResponse {
    /// The form in which every method answers.
    Result(RpcConversation),
    /// A fault: usually an unknown method.
    Fault(String),
    /// Not an answer of the protocol.
    Trouble(RedirectResult),
}

/// A result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RpcConversation {
    /// The boolean.
    pub(crate) success: bool,
    /// The text beside it; empty when there is none.
    pub(crate) text: String,
    /// The values after the text.
    pub(crate) more: Vec<String>,
}

/// Returns the result in an answer, or what the answer was instead.
pub(crate) fn parse_result(answer: &ServiceResponse) -> Result<RpcConversation, RpcResponse> {
    if let Some(refused) = answer.refused_by_status() {
        return Err(RpcResponse::Trouble(refused));
    }
    match read(&answer.text()) {
        RpcResponse::Result(reply) => Ok(reply),
        other => Err(other),
    }
}

/// Interprets an answer other than a result, when nothing else can be tried.
pub(crate) fn no_result(response: RpcResponse) -> RedirectResult {
    match response {
        RpcResponse::Trouble(outcome) => outcome,
        RpcResponse::Fault(text) | RpcResponse::Result(RpcConversation { text, .. }) => RedirectResult::Unknown(text),
    }
}

/// Reads the body of an answer with status 200.
pub(crate) fn read(body: &str) -> RpcResponse {
    match xmlrpc::decode(body) {
        Ok(Reply::Fault { code, text }) => RpcResponse::Fault(format!("fault {code}: {text}")),
        Ok(Reply::Value(value)) => result(&value),
        Err(DecodeError::NotXmlRpc(start)) => {
            RpcResponse::Trouble(RedirectResult::Transport(RedirectFailure::NotTheProtocol(start)))
        }
        Err(DecodeError::Broken(why)) => {
            RpcResponse::Trouble(RedirectResult::Transport(RedirectFailure::HalfAnswer(why)))
        }
    }
}

fn result(value: &Value) -> RpcResponse {
    let (first, texts) = match value {
        Value::Array(values) => (values.first(), values.iter().skip(1).map(text_of).collect()),
        other => (Some(other), Vec::new()),
    };
    match first.and_then(truth) {
        Some(success) => {
            let mut texts: std::vec::IntoIter<String> = texts.into_iter();
            RpcResponse::Result(RpcConversation {
                success,
                text: texts.next().unwrap_or_default(),
                more: texts.collect(),
            })
        }
        None => RpcResponse::Trouble(RedirectResult::Unknown(text_of(value))),
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(yes) => Some(*yes),
        Value::Integer(0) => Some(false),
        Value::Integer(1) => Some(true),
        Value::String(text) => match text.trim() {
            "1" | "true" => Some(true),
            "0" | "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Normalises a text: trimmed, lower case, single spaces, none after colons, without a leading `Error:`.
pub(crate) fn normal(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().replace(": ", ":");
    let rest = words.strip_prefix("error").map(str::trim_start).and_then(|rest| rest.strip_prefix(':'));
    rest.map_or(words.clone(), |rest| rest.trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(inner: &str) -> String {
        format!("<methodResponse><params><param><value>{inner}</value></param></params></methodResponse>")
    }

    #[test]
    fn a_result_is_a_boolean_with_or_without_texts() {
        let reply = |success, text: &str, more: &[&str]| {
            let more = more.iter().map(|text| (*text).to_owned()).collect();
            RpcResponse::Result(RpcConversation { success, text: text.to_owned(), more })
        };
        for (inner, expected) in [
            ("<boolean>1</boolean>", reply(true, "", &[])),
            ("<array><data><value><boolean>0</boolean></value></data></array>", reply(false, "", &[])),
            (
                "<array><data><value><boolean>1</boolean></value><value><string>Acme</string></value>\
                 <value>https://gw/</value></data></array>",
                reply(true, "Acme", &["https://gw/"]),
            ),
            ("<array><data><value>true</value><value>OK</value></data></array>", reply(true, "OK", &[])),
            ("<array><data></data></array>", RpcResponse::Trouble(RedirectResult::Unknown(String::new()))),
            ("<string>hm</string>", RpcResponse::Trouble(RedirectResult::Unknown("hm".to_owned()))),
        ] {
            assert_eq!(read(&answer(inner)), expected, "{inner}");
        }
    }

    #[test]
    fn prefix_and_blanks_do_not_count() {
        for text in ["Error:No_Such mac", " error :  no_such\nmac", "no_such mac", "Error: no_such mac"] {
            assert_eq!(normal(text), "no_such mac", "{text}");
        }
        assert_eq!(normal("Erroneous"), "erroneous");
    }
}
