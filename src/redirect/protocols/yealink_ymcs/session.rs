//! Makes calls to YMCS. The token from OAuth client credentials is cached for the account and fetched again once when
//! the service no longer accepts it. Every call has its own time and nonce.

use std::{sync::Arc, time::Duration};

use gangway_base::secret::Secret;
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use super::{response as answers, response::YmcsError};
use crate::{
    net::http::{Method, Request},
    redirect::{
        account_cache::{AccountCache, ProtocolContext},
        operation::RedirectAccount,
        protocol::{
            CallKind, NextCall, ProtocolTurn, RedirectProtocol, SendContext, ServiceRequest, ServiceResponse,
            SignRequest,
        },
        result::{RedirectFailure, RedirectResult},
    },
};

/// A token is not used in its last minute, so that it stays valid for the whole operation.
const MARGIN: Duration = Duration::from_secs(60);

/// A call of the interface.
#[derive(Debug, Clone)]
pub(crate) struct YmcsCall {
    /// The kind of the call.
    pub(crate) command: CallKind,
    /// The HTTP method.
    pub(crate) method: Method,
    /// The path below `/v2/`.
    pub(crate) path: String,
    /// The body.
    pub(crate) body: Value,
}

impl YmcsCall {
    pub(crate) fn post(command: CallKind, path: &str, body: Value) -> Self {
        Self { command, method: Method::Post, path: path.to_owned(), body }
    }

    pub(crate) fn patch(command: CallKind, path: String, body: Value) -> Self {
        Self { command, method: Method::Patch, path, body }
    }
}

/// The next step of a plan.
#[derive(Debug)]
pub(crate) enum Move {
    /// Make this call.
    Ask(Box<YmcsCall>),
    /// The plan is done.
    Done(RedirectResult),
}

impl Move {
    pub(crate) fn ask(ask: YmcsCall) -> Self {
        Self::Ask(Box::new(ask))
    }
}

/// The calls and the result of an operation, without the handling of tokens.
pub(crate) trait Plan: Send {
    /// The first call.
    fn begin(&mut self) -> Move;
    /// Returns the result of this answer alone, and the next step.
    fn on_answer(&mut self, answer: Result<Value, YmcsError>) -> (RedirectResult, Move);
}

/// The call that is waiting for its answer.
enum Waiting {
    Nothing,
    /// A token, to continue with this call afterwards (`None`: only to check the credentials).
    Token(Option<Box<YmcsCall>>),
    Answer(Box<YmcsCall>),
    Over,
}

/// One operation.
pub(crate) struct YmcsSession {
    base: Url,
    id: String,
    secret: Secret,
    memory: AccountCache,
    now: Timestamp,
    /// `None` if only the credentials are checked.
    plan: Option<Box<dyn Plan>>,
    waiting: Waiting,
    token_renewed: bool,
    repeated: bool,
}

impl YmcsSession {
    pub(crate) fn new(
        account: &RedirectAccount,
        url: Url,
        context: &ProtocolContext,
        plan: Option<Box<dyn Plan>>,
    ) -> Self {
        Self {
            base: url,
            id: account.user.clone(),
            secret: account.password.clone(),
            memory: context.memory.clone(),
            now: context.now,
            plan,
            waiting: Waiting::Nothing,
            token_renewed: false,
            repeated: false,
        }
    }

    /// An address below `/v2/`, whether or not the configured address ends with that.
    fn address(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let base = url.path().trim_end_matches('/');
        let base = base.strip_suffix("/v2").unwrap_or(base).to_owned();
        url.set_path(&format!("{base}/v2/{path}"));
        url
    }

    fn fetch_token(&mut self, then: Option<Box<YmcsCall>>) -> NextCall {
        self.waiting = Waiting::Token(then);
        let request = Request::new(Method::Post, self.address("token"))
            .basic(self.id.clone(), self.secret.clone())
            .header("content-type", "application/json")
            .body(json!({"grant_type": "client_credentials"}).to_string());
        send(CallKind::GetToken, request)
    }

    fn ask(&mut self, ask: Box<YmcsCall>, token: &Secret) -> NextCall {
        let request = Request::new(ask.method, self.address(&ask.path))
            .header("authorization", Secret::new(format!("Bearer {}", token.expose())))
            .header("content-type", "application/json")
            .body(ask.body.to_string());
        let command = ask.command;
        self.waiting = Waiting::Answer(ask);
        send(command, request)
    }

    fn next_call(&mut self, next: Move, now: Timestamp) -> NextCall {
        match next {
            Move::Done(outcome) => NextCall::Done(outcome),
            Move::Ask(ask) => match self.memory.token(now) {
                Some(token) => self.ask(ask, &token),
                None => self.fetch_token(Some(ask)),
            },
        }
    }

    fn token_answered(&mut self, answer: &ServiceResponse, then: Option<Box<YmcsCall>>) -> (RedirectResult, NextCall) {
        let value = match answers::read(answer) {
            Ok(value) => value,
            Err(refusal) => {
                let outcome = answers::token_refused(answer, refusal);
                return (outcome.clone(), NextCall::Done(outcome));
            }
        };
        let Some((token, seconds)) = answers::token(&value) else {
            let outcome = RedirectResult::Unknown("an answer without a token".to_owned());
            return (outcome.clone(), NextCall::Done(outcome));
        };
        let holds = Duration::from_secs(u64::from(seconds)).saturating_sub(MARGIN);
        self.memory.store_token(token.clone(), answer.at.saturating_add(holds).unwrap_or(answer.at));
        let step = match then {
            Some(ask) => self.ask(ask, &token),
            None => NextCall::Done(RedirectResult::done()),
        };
        (RedirectResult::done(), step)
    }

    fn on_answer(&mut self, answer: &ServiceResponse, ask: Box<YmcsCall>) -> (RedirectResult, NextCall) {
        let reply = answers::read(answer);
        match &reply {
            Err(YmcsError::Token) => {
                self.memory.forget_token();
                if !std::mem::replace(&mut self.token_renewed, true) {
                    return (RedirectResult::Transport(RedirectFailure::TokenExpired), self.fetch_token(Some(ask)));
                }
                let outcome = RedirectResult::Transport(RedirectFailure::TokenRefused);
                return (outcome.clone(), NextCall::Done(outcome));
            }
            // The connection broke after the service had received the call; repeat it with a fresh nonce to learn its
            // result.
            Err(refusal @ YmcsError::Replay) if !std::mem::replace(&mut self.repeated, true) => {
                let call_result = refusal.outcome();
                return (call_result, self.next_call(Move::Ask(ask), answer.at));
            }
            _ => {}
        }
        let Some(plan) = self.plan.as_mut() else {
            return (RedirectResult::done(), NextCall::Done(RedirectResult::done()));
        };
        let (call_result, next) = plan.on_answer(reply);
        (call_result, self.next_call(next, answer.at))
    }
}

impl RedirectProtocol for YmcsSession {
    fn next(&mut self, last: Option<&ServiceResponse>) -> ProtocolTurn {
        let turn = match (std::mem::replace(&mut self.waiting, Waiting::Over), last) {
            (Waiting::Nothing, _) => {
                let step = match self.plan.as_mut().map(|plan| plan.begin()) {
                    Some(next) => self.next_call(next, self.now),
                    None => self.fetch_token(None),
                };
                ProtocolTurn { call_result: None, step }
            }
            (Waiting::Token(then), Some(answer)) => {
                let (call_result, step) = self.token_answered(answer, then);
                ProtocolTurn { call_result: Some(call_result), step }
            }
            (Waiting::Answer(ask), Some(answer)) => {
                let (call_result, step) = self.on_answer(answer, ask);
                ProtocolTurn { call_result: Some(call_result), step }
            }
            (Waiting::Over, _) | (_, None) => ProtocolTurn {
                call_result: None,
                step: NextCall::Done(RedirectResult::Unknown("no answer was given".to_owned())),
            },
        };
        if matches!(turn.step, NextCall::Done(_)) {
            self.waiting = Waiting::Over;
        }
        turn
    }
}

/// Adds the time in milliseconds and a nonce of 32 hex digits when the call is sent.
fn send(command: CallKind, request: Request) -> NextCall {
    let seal: SignRequest = Arc::new(|request: Request, SendContext { now, nonce }| {
        request.header("timestamp", now.as_millisecond().to_string()).header("nonce", format!("{nonce:032x}"))
    });
    NextCall::Send(Box::new(ServiceRequest { seal: Some(seal), ..ServiceRequest::plain(command, request) }))
}
