//! Serves `phone/<token>/<file>` and `phone/<file>`: recognises the request, decides about access, answers, and records
//! the result afterwards. An ordinary GET neither blocks nor writes.

pub mod bootstrap;
pub mod conditional_requests;
pub mod delivery_body;
pub mod file_service;
pub mod record_service;
pub mod record_updates;
pub mod request_cache;
pub mod response;

use std::{rc::Rc, sync::Arc, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{BytesMut, Payload},
};
use futures_util::StreamExt;
use gangway_wire::http_auth;
use jiff::Timestamp;

use self::{
    conditional_requests::{names_tag, shows_tag},
    request_cache::{CachedRequest, RequestCache, RequestKey},
    response::{RequestConditions, ResponseForm, form},
};
use super::{
    AppState, WorkerState,
    auth::{
        authenticate::{ExpectedCredentials, authenticate},
        challenge_cache::{ChallengeKind, Challenges},
        client_certificate,
        lockout::{UPLOAD_BYTES, UPLOAD_PATIENCE},
        scan_detector::ScanAttempt,
        source_prefix::CountedSource,
    },
    client_address::ClientAddress,
    interfaces::{File, RequestOutcome, RequestRecord},
    server::{client_ca_store::ClientCertificate, connections::is_over_tls},
};
use crate::{
    catalog::{Basis, FileKind},
    phone::{
        admission::{AccessDecision, AccessRequest, AdmissionResult, Purpose, Reason, RequestedFile, admit},
        instance::Instance,
        record::{Delivery, Phone},
        request_evidence::{Authorization, Evidence, Proof, Token},
    },
    provision::transitions::{Delivered, is_new_information},
    render::Stage,
    store::DeliveredFile,
};

/// Maximum length of a User-Agent in the timeline, in characters.
const SHOWN: usize = 200;

/// One request while it is processed.
struct PhoneRequest<'a> {
    deps: &'a Arc<AppState>,
    memo: &'a RequestCache,
    request: &'a HttpRequest,
    instance: &'a Instance,
    known: Rc<CachedRequest>,
    token: Option<&'a str>,
    client: ClientAddress,
    origin: CountedSource,
    now: Timestamp,
    /// The response to the digest challenge was used before.
    spent: bool,
}

/// Answers a request for a phone's file.
pub(super) async fn handle(
    deps: &Arc<AppState>,
    worker: &WorkerState,
    request: &HttpRequest,
    payload: &mut Payload,
    instance: &Instance,
    token: Option<&str>,
    file: &str,
) -> HttpResponse {
    let purpose = match *request.method() {
        Method::GET => Purpose::Fetch,
        Method::HEAD => Purpose::Peek,
        Method::PUT => Purpose::Upload,
        _ => return response::wrong_method(),
    };
    let (began, now) = (Instant::now(), deps.clock.now());
    let Some(peer) = request.peer_addr() else { return response::not_found() };
    let client = deps.proxies.client(peer.ip(), is_over_tls(request), request.headers());
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let (known, phone) = worker.memo.look(
        &*deps.files,
        RequestKey { instance: instance.id, user_agent, file },
        |recognised| match token {
            Some(token) => deps.records.by_token(token).filter(|phone| phone.instance == instance.id),
            // A MAC that only the User-Agent claims names nobody.
            None if matches!(recognised.kind, FileKind::Personal | FileKind::Upload | FileKind::Contact) => {
                deps.records.by_mac(instance.id, recognised.mac?)
            }
            None => None,
        },
    );
    let vendor = phone.as_ref().map(|phone| phone.vendor.as_str());
    let header = deps.subject_header.as_ref();
    let shown = client_certificate::shown(request, peer.ip(), header, &deps.proxies.trusted, vendor);
    let claim = deps.proxies.claim(peer.ip(), client, request.headers());
    let origin = deps.unlisted_proxies.origin(instance.id, client, claim.as_ref(), now);
    let mut visit =
        PhoneRequest { deps, memo: &worker.memo, request, instance, known, token, client, origin, now, spent: false };
    let token = match (token, &phone) {
        (None, _) => Token::None,
        (Some(_), Some(_)) => Token::Known,
        (Some(_), None) => Token::Unknown,
    };
    let asked = visit.file_asked(purpose);
    // Skip the credentials if the answer is the empty 404 in any case.
    let authorization = match asked {
        RequestedFile::Personal(_) if token != Token::Unknown => visit.authorization(phone.as_deref()),
        _ => Authorization::Missing,
    };
    // Requests with a token bypass the scan freeze, because a token cannot be guessed.
    let opened = phone.as_deref().and_then(|phone| phone.window.opened);
    let frozen = token == Token::None && deps.scanners.is_frozen(instance.id, visit.origin, opened, now);
    let ask = AccessRequest {
        evidence: Evidence {
            source: client.address,
            encrypted: client.encrypted,
            family: &visit.known.recognised.family,
            token,
            authorization,
            certificate: shown.evidence(),
            frozen,
        },
        file: asked,
        purpose,
        policy: visit.known.policy,
    };
    let spent = authorization == Authorization::Used;
    let decision = admit(&ask, phone.as_deref(), now);
    if let (RequestedFile::Personal(mac), Token::None, None) = (asked, token, &phone) {
        let reads_like_phone = visit.known.recognised.whole.reads_like(mac);
        deps.scanners.saw(instance.id, visit.origin, ScanAttempt { mac, reads_like_phone }, now);
    }
    if decision.strike {
        deps.strikes.add(visit.origin, now);
    }
    if let (Some(claim), Some(phone), AccessDecision::Personal(proof) | AccessDecision::Store(proof)) =
        (&claim, &phone, decision.access)
        && shows_proxy(proof)
    {
        deps.unlisted_proxies.proved(instance.id, phone.id, claim, now);
    }
    visit.spent = spent;
    visit.note_certificate(&shown, phone.as_deref());
    let (answer, outcome) = visit.answer(decision, phone.as_ref(), payload).await;
    visit.note(phone.as_deref(), token, outcome);
    if matches!(outcome, RequestOutcome::Refused(_)) {
        deps.response_timer.wait(&worker.gate, began).await;
    }
    answer
}

/// Whether this proof is evidence that a proxy wrote the forwarding header. Tokens and bootstrap credentials are not
/// evidence: a redirect service discloses them to other clients, which could write the header themselves.
fn shows_proxy(proof: Proof) -> bool {
    match proof {
        Proof::Own | Proof::Certificate => true,
        Proof::Token | Proof::Bootstrap | Proof::Allowed => false,
    }
}

impl PhoneRequest<'_> {
    fn file_asked(&self, purpose: Purpose) -> RequestedFile {
        let recognised = &self.known.recognised;
        match (recognised.kind, recognised.mac, purpose) {
            (FileKind::Personal, Some(mac), _) | (FileKind::Upload | FileKind::Contact, Some(mac), Purpose::Upload) => {
                RequestedFile::Personal(mac)
            }
            (FileKind::Common, ..) => RequestedFile::Common,
            _ => RequestedFile::Other,
        }
    }

    fn authorization(&self, phone: Option<&Phone>) -> Authorization {
        let mut headers = self.request.headers().get_all(header::AUTHORIZATION);
        // More than one Authorization header counts as none: a proxy in front of the gateway might have checked a
        // different one.
        let header = headers.next().filter(|_| headers.next().is_none());
        let guard = self.deps.authenticators.get(self.instance.id, self.known.scheme, self.client.encrypted);
        let (Some(header), Some(guard)) = (header, guard) else { return Authorization::Missing };
        let target = self.request.uri().path_and_query().map_or("/", |target| target.as_str());
        let shown =
            http_auth::Request { method: self.request.method().as_str(), target, authorization: header.to_str().ok() };
        let accounts = ExpectedCredentials { phone, shared: self.known.shared.as_deref() };
        let locked_out = || self.deps.strikes.is_locked_out(self.origin, self.now);
        authenticate(guard, &shown, accounts, &self.deps.used, locked_out, self.now)
    }

    /// Counts and records the result of the certificate check. It is recorded for the phone only if the certificate is
    /// the phone's own or the request has the phone's token. The certificate of an unknown client says nothing about
    /// the phone.
    fn note_certificate(&self, shown: &ClientCertificate, phone: Option<&Phone>) {
        if !self.client.encrypted {
            return;
        }
        let asked = self.known.recognised.mac;
        let word = shown.label(asked);
        self.deps.meter.certificate(word);
        let sentence = || shown.message(asked);
        tracing::debug!(address = %self.client.address, file = %self.known.file, certificate = word, "{}", sentence());
        if *shown == ClientCertificate::None {
            return;
        }
        let proved =
            matches!(shown, ClientCertificate::Trusted { mac, .. } if Some(*mac) == phone.map(|phone| phone.mac));
        if let Some(phone) = phone.filter(|_| proved || self.token.is_some()) {
            self.deps.consequences.certificate(phone, word, sentence, self.now);
        }
    }

    async fn answer(
        &self,
        decision: AdmissionResult,
        phone: Option<&Arc<Phone>>,
        payload: &mut Payload,
    ) -> (HttpResponse, RequestOutcome) {
        let reason = decision.reason;
        if let Some(phone) = phone {
            if decision.closes_window || decision.ends_overlap {
                // If this write fails, the bootstrap window still ends 15 minutes after the first delivery, and the
                // next request ends the overlap with the former credentials.
                let former = phone.former.is_some() && !decision.ends_overlap;
                if let Err(error) = self.deps.consequences.proved(phone, former, self.now).await {
                    tracing::warn!(phone = phone.id.0, %error, "what the phone has proved could not be recorded");
                }
            }
            if !matches!(decision.access, AccessDecision::Personal(_) | AccessDecision::Store(_)) {
                self.deps.consequences.withheld(phone, reason, self.client.address, self.now);
            }
        }
        let given = matches!(decision.access, AccessDecision::Open | AccessDecision::Personal(_));
        if let Some(phone) = phone.filter(|phone| given && !self.speaks_as(phone)) {
            let seen = || {
                let agent: String = self.known.user_agent.as_deref().unwrap_or_default().chars().take(SHOWN).collect();
                let address = self.client.address.to_canonical();
                format!("User-Agent '{agent}', file {}, from {address}", self.known.file)
            };
            self.deps.consequences.withheld_from(phone, Reason::UnknownModel, seen, self.now);
            return (response::not_found(), RequestOutcome::Refused(Reason::UnknownModel));
        }
        match decision.access {
            AccessDecision::NotFound => (response::not_found(), RequestOutcome::Refused(reason)),
            AccessDecision::Challenge { stale } => (self.challenge(stale), RequestOutcome::Refused(reason)),
            AccessDecision::RetryLater => (response::later(), RequestOutcome::Later(reason)),
            AccessDecision::ToTls => match self.open(None, reason) {
                (answer, RequestOutcome::Open(_)) => (answer, RequestOutcome::Refused(reason)),
                failed => failed,
            },
            AccessDecision::Open => self.open(phone.map(Arc::as_ref), reason),
            AccessDecision::Personal(proof) => match phone {
                Some(phone) => self.personal(phone, proof, decision.binds_window).await,
                None => (response::not_found(), RequestOutcome::Refused(reason)),
            },
            // Only the names that phones write to are kept: a file of ours that comes back is none.
            AccessDecision::Store(_) if !self.known.recognised.kind.is_written_by_phones() => {
                (response::not_found(), RequestOutcome::Refused(Reason::ForbiddenName))
            }
            AccessDecision::Store(_) => match phone {
                Some(phone) => self.upload(phone, payload).await,
                None => (response::not_found(), RequestOutcome::Refused(reason)),
            },
        }
    }

    /// Whether the request, or an earlier one, identifies the phone as a model of the vendor in the record.
    fn speaks_as(&self, phone: &Phone) -> bool {
        let whole = &self.known.recognised.whole;
        let common = self.known.recognised.kind == FileKind::Common;
        common || whole.speaks_for(&phone.vendor) || (whole.basis != Basis::Agent && phone.model.is_some())
    }

    fn challenge(&self, stale: bool) -> HttpResponse {
        let (instance, scheme, encrypted) = (self.instance.id, self.known.scheme, self.client.encrypted);
        let kind = ChallengeKind { instance, scheme, encrypted, stale };
        let guard = self.deps.authenticators.get(instance, scheme, encrypted);
        let challenge = guard.and_then(|guard| match self.spent {
            // The shared challenge may be the one that was just used, so create a separate one.
            true => Challenges::single(stale, guard, self.now),
            false => self.memo.challenges.present(kind, guard, self.now),
        });
        match challenge {
            Some(challenge) => response::challenge(challenge),
            None => response::not_found(),
        }
    }

    fn open(&self, phone: Option<&Phone>, reason: Reason) -> (HttpResponse, RequestOutcome) {
        match self.deps.files.render(self.instance, phone, &self.known.recognised, Stage::Open, self.token) {
            Ok(Some(file)) => {
                let form = form(&RequestConditions::of(self.request.headers()), &file, true);
                (response::file(&file, form, self.request.method(), None), RequestOutcome::Open(reason))
            }
            Ok(None) => (response::not_found(), RequestOutcome::Refused(Reason::ForbiddenName)),
            Err(sentence) => self.failed(&sentence),
        }
    }

    async fn personal(&self, phone: &Arc<Phone>, proof: Proof, binds: bool) -> (HttpResponse, RequestOutcome) {
        let wish = RequestConditions::of(self.request.headers());
        // A 304 contains no file. It does not count as a delivery and does not bind the bootstrap window.
        let binds = binds && !self.is_unchanged(&wish, phone);
        let bound;
        let phone = if binds {
            let (family, model) = (self.known.recognised.family.clone(), self.known.recognised.model.clone());
            match self.deps.consequences.bind(phone, self.client.address, family, model, self.now).await {
                Ok(Ok(record)) => {
                    bound = record;
                    &bound
                }
                // Another request bound the window first. A phone with a valid certificate does not need the window.
                Ok(Err(reason)) if reason == Reason::OtherSource && proof == Proof::Certificate => phone,
                Ok(Err(reason)) => {
                    self.deps.consequences.withheld(phone, reason, self.client.address, self.now);
                    return (self.challenge(false), RequestOutcome::Refused(reason));
                }
                Err(error) => return self.failed(&error.0),
            }
        } else {
            phone
        };
        let file = match self.personal_file(phone, binds) {
            Ok(Some(file)) => file,
            Ok(None) => return (response::not_found(), RequestOutcome::Refused(Reason::ForbiddenName)),
            Err(sentence) => return self.failed(&sentence),
        };
        let form = form(&wish, &file, !proof.is_bootstrap());
        let is_get = self.request.method() == Method::GET;
        let whole = form == ResponseForm::Whole && is_get;
        // Not a delivery. But this file was delivered before, so a phone that is provisioned again need not fetch it.
        let held = form == ResponseForm::Unchanged
            && is_get
            && wish.none_match.is_some_and(|tags| shows_tag(tags, &file.etag))
            && phone.delivery.as_ref().is_some_and(|last| last.etag == file.etag);
        let news = (whole || held) && is_new_information(phone, &file.etag);
        let mut done = news.then(|| self.record_delivery(phone, &file, held));
        if held && let Some(done) = done.take() {
            done();
        }
        let outcome = match form {
            ResponseForm::Unchanged => RequestOutcome::Unchanged,
            ResponseForm::Whole if whole => RequestOutcome::Delivered,
            ResponseForm::Whole | ResponseForm::Part(..) | ResponseForm::Outside => RequestOutcome::Peeked,
        };
        (response::file(&file, form, self.request.method(), done), outcome)
    }

    /// Whether a conditional request gets a 304.
    fn is_unchanged(&self, wish: &RequestConditions<'_>, phone: &Phone) -> bool {
        let Some(tags) = wish.none_match else { return false };
        matches!(self.personal_file(phone, false), Ok(Some(file)) if names_tag(tags, &file.etag))
    }

    /// Returns the file from this worker's cache while the renderer still has it, otherwise renders it. Pass `changed`
    /// right after a change of the record, when the cached file is stale.
    fn personal_file(&self, phone: &Phone, changed: bool) -> Result<Option<Arc<super::interfaces::File>>, String> {
        let remembered = self.known.personal.borrow().upgrade();
        if !changed && remembered.is_some() {
            return Ok(remembered);
        }
        let file =
            self.deps.files.render(self.instance, Some(phone), &self.known.recognised, Stage::Personal, self.token)?;
        if let (false, Some(file)) = (changed, &file) {
            *self.known.personal.borrow_mut() = Arc::downgrade(file);
        }
        Ok(file)
    }

    fn record_delivery(&self, phone: &Phone, file: &File, held: bool) -> Box<dyn FnOnce()> {
        let deps = self.deps.clone();
        let id = phone.id;
        let kept = DeliveredFile {
            phone: id,
            name: self.known.file.clone(),
            at: self.now,
            etag: file.etag.clone(),
            body: file.body.clone(),
        };
        let done = Delivered {
            source: self.client.address,
            delivery: Delivery {
                at: self.now,
                revision: phone.revision,
                provisioning: phone.provisioning,
                etag: file.etag.clone(),
            },
            firmware: self.known.recognised.firmware.clone(),
            held,
        };
        Box::new(move || deps.consequences.delivered(id, done, kept))
    }

    async fn upload(&self, phone: &Phone, payload: &mut Payload) -> (HttpResponse, RequestOutcome) {
        let mut bytes = BytesMut::new();
        let reading = async {
            while let Some(piece) = payload.next().await {
                let Ok(piece) = piece else { return Err(self.failed("the upload broke off")) };
                if bytes.len() + piece.len() > UPLOAD_BYTES {
                    return Err((response::too_large(), RequestOutcome::Failed));
                }
                bytes.extend_from_slice(&piece);
            }
            Ok(())
        };
        match tokio::time::timeout(UPLOAD_PATIENCE, reading).await {
            Ok(Ok(())) => {}
            Ok(Err(refused)) => return refused,
            Err(_elapsed) => return (response::too_slow(), RequestOutcome::Failed),
        }
        match self.deps.records.save_upload(phone.id, self.known.file.to_string(), bytes.freeze()).await {
            Ok(()) => (response::kept(), RequestOutcome::Uploaded),
            Err(error) => self.failed(&error.0),
        }
    }

    fn failed(&self, sentence: &str) -> (HttpResponse, RequestOutcome) {
        let instance = self.instance.label();
        tracing::error!(%instance, file = %self.known.file, "a phone's request could not be answered: {sentence}");
        (response::later(), RequestOutcome::Failed)
    }

    /// Counts and records the request. A rejected request without a token proves only that the client knows the MAC, so
    /// it does not update the phone's last request. An ordinary first request without credentials is not recorded as an
    /// unknown device either.
    fn note(&self, phone: Option<&Phone>, token: Token, outcome: RequestOutcome) {
        tracing::debug!(address = %self.client.address, file = %self.known.file, ?outcome, "phone request");
        self.deps.meter.count(outcome);
        let claimed = token == Token::None && matches!(outcome, RequestOutcome::Refused(_));
        let ordinary = matches!(outcome, RequestOutcome::Refused(Reason::MissingCredentials | Reason::StaleNonce));
        if claimed && ordinary && phone.is_some() {
            return;
        }
        let phone = phone.filter(|_| !claimed);
        self.deps.records.record_request(RequestRecord {
            instance: self.instance.id,
            phone: phone.map(|phone| phone.id),
            at: self.now,
            address: self.client.address,
            user_agent: self.known.user_agent.clone(),
            file: self.known.file.clone(),
            outcome,
        });
    }
}
