//! Signs every call to SRAPS with Hawk at the moment it is sent, in the service's time if the service has proven it,
//! and verifies that every answer comes from the service.

use std::sync::{Arc, Mutex, PoisonError};

use gangway_wire::hawk::{Artifacts, Key, Payload, Proof, Stale, check_answer, sign, stale_clock};
use jiff::SignedDuration;
use serde_json::Value;
use url::Url;

use super::response::{SrapsResponse, read};
use crate::{
    net::http::{Method, Request},
    redirect::{
        account_cache::{AccountCache, ProtocolContext},
        operation::RedirectAccount,
        protocol::{CallKind, NextCall, SendContext, ServiceRequest, ServiceResponse, SignRequest},
        result::{RedirectFailure, RedirectResult},
    },
};

const JSON: &str = "application/json";
/// A page of a thousand settings is far larger than any other answer.
const LARGE: usize = 4 << 20;

/// A call of the interface.
#[derive(Debug, Clone)]
pub(crate) struct SrapsCall {
    command: CallKind,
    method: Method,
    url: Url,
    body: Option<String>,
    large: bool,
}

impl SrapsCall {
    pub(crate) fn new(command: CallKind, method: Method, url: Url) -> Self {
        Self { command, method, url, body: None, large: false }
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string());
        self
    }

    /// Allows a large answer.
    pub(crate) fn large(mut self) -> Self {
        self.large = true;
        self
    }
}

/// The account's side of an exchange.
pub(crate) struct SrapsSession {
    base: Url,
    key: Key,
    memory: AccountCache,
    /// The call that is waiting for its answer.
    last: Option<SrapsCall>,
    /// What was signed when the call was sent last.
    signed: Arc<Mutex<Option<Artifacts>>>,
    /// The clock offset was learned in this operation, so a second rejection has another cause than our clock.
    clock_learned: bool,
}

impl SrapsSession {
    pub(crate) fn new(account: &RedirectAccount, url: Url, context: &ProtocolContext) -> Self {
        Self {
            base: url,
            key: Key { id: account.user.clone(), secret: account.password.clone() },
            memory: context.memory.clone(),
            last: None,
            signed: Arc::default(),
            clock_learned: false,
        }
    }

    /// The configured address.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The access key's id.
    pub(crate) fn id(&self) -> &str {
        &self.key.id
    }

    /// Resolves a link from the service. Links to other hosts are rejected, because a link determines where signed
    /// calls are sent.
    pub(crate) fn own_address(&self, link: &str) -> Result<Url, RedirectResult> {
        let url =
            self.base.join(link).map_err(|error| RedirectResult::Unknown(format!("a link that is none ({error})")))?;
        if url.origin() == self.base.origin() && url.username().is_empty() && url.password().is_none() {
            return Ok(url);
        }
        Err(RedirectResult::Transport(RedirectFailure::LinkElsewhere(url.origin().ascii_serialization())))
    }

    pub(crate) fn send(&mut self, ask: SrapsCall) -> NextCall {
        let mut request = Request::new(ask.method, ask.url.clone()).header("accept", JSON);
        if let Some(body) = &ask.body {
            request = request.header("content-type", JSON).body(body.clone());
        }
        let mut call = ServiceRequest::plain(ask.command, request);
        call.max_bytes = ask.large.then_some(LARGE);
        call.seal = Some(self.seal(&ask));
        self.last = Some(ask);
        NextCall::Send(Box::new(call))
    }

    fn seal(&self, ask: &SrapsCall) -> SignRequest {
        let (key, memory, signed) = (self.key.clone(), self.memory.clone(), Arc::clone(&self.signed));
        let has_body = ask.body.is_some();
        Arc::new(move |request: Request, SendContext { now, nonce }| {
            let offset = memory.clock_offset().unwrap_or_default();
            let ts = now.saturating_add(offset).unwrap_or(now).as_second();
            let payload = Payload { content_type: if has_body { JSON } else { "" }, body: &request.body };
            let proof = sign(&key, request.method.name(), &request.url, payload, ts, format!("{nonce:032x}"));
            *signed.lock().unwrap_or_else(PoisonError::into_inner) = Some(proof.artifacts);
            request.header("authorization", proof.authorization)
        })
    }

    /// Returns the content of the answer. If the service rejected our time, returns what that meant and the same call
    /// with the service's time.
    pub(crate) fn receive(
        &mut self,
        answer: &ServiceResponse,
    ) -> Result<SrapsResponse, Box<(RedirectResult, NextCall)>> {
        let unproven = |what: &'static str| {
            let outcome = RedirectResult::Transport(RedirectFailure::Unproven(what));
            Box::new((outcome.clone(), NextCall::Done(outcome)))
        };
        if answer.status == 401 {
            return match stale_clock(&self.key, answer.header("www-authenticate")) {
                Stale::No => Ok(read(answer)),
                Stale::Unproven => Err(unproven("the time it tells")),
                Stale::Proven(ts) => Err(Box::new(self.other_time(ts, answer))),
            };
        }
        let signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(signed) = signed else { return Ok(read(answer)) };
        let header = answer.header("server-authorization");
        let kind = answer.header("content-type").unwrap_or_default();
        match check_answer(&self.key, &signed, header, kind, &answer.body) {
            Proof::Bad => Err(unproven("its signature")),
            Proof::None | Proof::Good { .. } => Ok(read(answer)),
        }
    }

    /// Handles a rejection of our time when the service has proven its own.
    fn other_time(&mut self, ts: i64, answer: &ServiceResponse) -> (RedirectResult, NextCall) {
        let ahead = ts.saturating_sub(answer.at.as_second());
        self.memory.store_clock_offset(SignedDuration::from_secs(ahead));
        let is_second = std::mem::replace(&mut self.clock_learned, true);
        match self.last.take().filter(|_| !is_second) {
            Some(ask) => (RedirectResult::Transport(RedirectFailure::OtherTime { ahead }), self.send(ask)),
            None => {
                let outcome = RedirectResult::Transport(RedirectFailure::TimeRefused { ahead });
                (outcome.clone(), NextCall::Done(outcome))
            }
        }
    }
}
