//! Changes to phone records caused by requests. Only two changes delay the response: binding the bootstrap window, and
//! closing it together with the end of former credentials. All other changes are rate-limited and written after the
//! response, and their number is bounded. An ordinary GET writes nothing.

use std::{net::IpAddr, sync::Arc, time::Duration};

use gangway_base::tasks::Tasks;
use jiff::Timestamp;
use rand::RngExt as _;
use tokio::sync::Semaphore;

use crate::{
    base::failpoint::{Failpoint, failpoint},
    http::{
        auth::lockout::DedupWindow,
        interfaces::{Deliveries, RecordError, Records},
    },
    phone::{
        admission::{Reason, bind},
        record::{Phone, PhoneId},
    },
    provision::{
        events::FacetEvent,
        transitions::{self, Delivered},
    },
    store::{DeliveredFile, NewEvent},
};

/// Maximum number of concurrent writes after responses. A write beyond the limit is dropped; the phone's next request
/// writes it.
const UNDER_WAY: usize = 256;
/// The same rejection of the same phone is recorded once in this time.
const PAUSE: Duration = Duration::from_secs(60);
/// The same, for rejections that any client with the MAC can cause. The timeline keeps only its newest entries, and
/// such a client must not push out the older ones.
const UNPROVEN_PAUSE: Duration = Duration::from_secs(3600);
/// The result of the certificate check is recorded once in this time, because the phone presents its certificate with
/// every request.
const PAUSE_OF_CERTIFICATES: Duration = Duration::from_secs(24 * 3600);
/// Maximum number of rejections waiting to be written.
const REFUSALS_WAITING: usize = 1024;
/// Random delay before a rejection is written, in milliseconds. An immediate write would create load while the response
/// to a known phone is sent but not while that to an unknown one is, which would make the two distinguishable.
const REFUSALS_WAIT: std::ops::Range<u64> = 200..1200;
/// Capacity of the table of recorded rejections. The larger table for unknown clients has room for every reason of ten
/// thousand phones.
const REMEMBERED: usize = 4096;
const UNPROVEN_REMEMBERED: usize = 1 << 16;

/// Applies the record changes that requests cause.
pub struct RecordUpdates {
    records: Arc<dyn Records>,
    deliveries: Arc<dyn Deliveries>,
    tasks: Tasks,
    room: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    noted: DedupWindow<(PhoneId, Reason)>,
    unproven: DedupWindow<(PhoneId, Reason)>,
    certificates: DedupWindow<(PhoneId, &'static str)>,
}

impl RecordUpdates {
    /// Writes through `records` and notifies `deliveries`.
    #[must_use]
    pub fn new(records: Arc<dyn Records>, deliveries: Arc<dyn Deliveries>, tasks: Tasks) -> Self {
        Self {
            records,
            deliveries,
            tasks,
            room: Arc::new(Semaphore::new(UNDER_WAY)),
            waiting: Arc::new(Semaphore::new(REFUSALS_WAITING)),
            noted: DedupWindow::new(REMEMBERED, PAUSE),
            unproven: DedupWindow::new(UNPROVEN_REMEMBERED, UNPROVEN_PAUSE),
            certificates: DedupWindow::new(UNPROVEN_REMEMBERED, PAUSE_OF_CERTIFICATES),
        }
    }

    /// Binds the bootstrap window to its first source. The binding is on disk when the future resolves. The inner error
    /// is a rejection. `judged` is the record that admitted the request. Token and window must be unchanged when the
    /// window is bound; otherwise a token issued for the former user would open the file of the next one.
    pub async fn bind(
        &self,
        judged: &Phone,
        source: IpAddr,
        family: Arc<str>,
        model: Option<Arc<str>>,
        now: Timestamp,
    ) -> Result<Result<Arc<Phone>, Reason>, RecordError> {
        let (reply, outcome) = std::sync::mpsc::sync_channel(1);
        let (phone, token, opened) = (judged.id, judged.token.clone(), judged.window.opened);
        let change = move |record: &mut Phone, events: &mut Vec<NewEvent>| {
            let first = record.window.first_delivery.is_none();
            let bound = match record.token == token && record.window.opened == opened {
                true => bind(record, source, &family, now),
                false => Err(Reason::WindowClosed),
            };
            // The model determines what is rendered, so set it before the first file is rendered. Keep a model that an
            // administrator has set.
            if bound.is_ok() && record.model.is_none() {
                record.model = model.as_deref().map(str::to_owned);
            }
            if bound.is_ok() && first {
                events.push(FacetEvent::FirstDelivery { source, family: &family }.into());
            }
            // The receiver reads this below, so the channel cannot be full.
            let _ = reply.try_send(bound);
        };
        failpoint(Failpoint::BindWanted).await;
        let record = self.records.change(phone, Box::new(change)).await?;
        failpoint(Failpoint::Bound).await;
        Ok(match outcome.try_recv() {
            Ok(bound) => bound.map(|()| record),
            Err(_) => return Err(RecordError("the change that binds the window was not carried out".to_owned())),
        })
    }

    /// Closes the bootstrap window permanently: the phone has authenticated with its own credentials, those in
    /// `judged`, or with the former ones if `former` is set. The current credentials end the validity of the former
    /// ones. If the phone has been reassigned in the meantime, its new window stays open.
    pub async fn proved(&self, judged: &Phone, former: bool, now: Timestamp) -> Result<Arc<Phone>, RecordError> {
        let (phone, proved) = (judged.id, judged.own.password.clone());
        let change = move |record: &mut Phone, events: &mut Vec<NewEvent>| {
            if record.own.password != proved {
                return;
            }
            if !former {
                record.own.proven.get_or_insert(now);
                if record.former.take().is_some() {
                    events.push(FacetEvent::CredentialsProven.into());
                }
            }
            if record.window.is_open(now) {
                record.window.closed = Some(now);
                events.push(FacetEvent::Proved.into());
            }
        };
        failpoint(Failpoint::ProofCame).await;
        let record = self.records.change(phone, Box::new(change)).await;
        failpoint(Failpoint::ProofWritten).await;
        record
    }

    /// Records a delivery after the response. Stores its file unless a newer one has been delivered in the meantime.
    pub fn delivered(&self, phone: PhoneId, done: Delivered, file: DeliveredFile) {
        let Ok(place) = self.room.clone().try_acquire_owned() else { return };
        let (records, deliveries) = (self.records.clone(), self.deliveries.clone());
        self.tasks.spawn("record delivery", async move {
            failpoint(Failpoint::FileSent).await;
            let change = move |record: &mut Phone, events: &mut Vec<NewEvent>| transitions::delivered(record, done, events);
            match records.change_later(phone, Box::new(change)).await {
                Ok(record) => {
                    failpoint(Failpoint::DeliveryWritten).await;
                    if record.delivery.as_ref().is_some_and(|last| last.etag == file.etag) {
                        records.store_delivered(file);
                    }
                    deliveries.delivered(phone);
                }
                Err(error) => tracing::warn!(phone = phone.0, %error, "a delivery could not be recorded; the next one tries again"),
            }
            drop(place);
        });
    }

    /// Records the result of the certificate check for a known phone, at most once a day per outcome. `word` is the
    /// outcome.
    pub fn certificate(&self, phone: &Phone, word: &'static str, sentence: impl FnOnce() -> String, now: Timestamp) {
        if !self.certificates.allow((phone.id, word), now) {
            return;
        }
        let Ok(place) = self.room.clone().try_acquire_owned() else { return };
        let (records, id, sentence) = (self.records.clone(), phone.id, sentence());
        self.tasks.spawn("record certificate", async move {
            let change = move |_: &mut Phone, events: &mut Vec<NewEvent>| {
                events.push(FacetEvent::Certificate { sentence: &sentence }.into());
            };
            failpoint(Failpoint::CertificateWanted).await;
            let written = records.change_later(id, Box::new(change)).await;
            failpoint(Failpoint::CertificateWritten).await;
            if let Err(error) = written {
                tracing::warn!(phone = id.0, %error, "what a certificate is worth could not be recorded");
            }
            drop(place);
        });
    }

    /// Records in the timeline that a known phone did not get the requested file. At most once a minute per reason, or
    /// once an hour if any client can cause the rejection.
    pub fn withheld(&self, phone: &Phone, reason: Reason, source: IpAddr, now: Timestamp) {
        self.withheld_from(phone, reason, || source.to_canonical().to_string(), now);
    }

    /// Like [`Self::withheld`], with details about the client.
    pub fn withheld_from(&self, phone: &Phone, reason: Reason, seen: impl FnOnce() -> String, now: Timestamp) {
        let seldom = if takes_a_mac_only(reason) { &self.unproven } else { &self.noted };
        if !is_notable(reason) {
            return;
        }
        let Ok(place) = self.waiting.clone().try_acquire_owned() else { return };
        if !seldom.allow((phone.id, reason), now) {
            return;
        }
        let (records, deliveries, id, seen) = (self.records.clone(), self.deliveries.clone(), phone.id, seen());
        // A phone that waits for its configuration reveals nothing by its timing, so notify Devices at once.
        let wait = match reason {
            Reason::BeforeConfig => Duration::ZERO,
            _ => Duration::from_millis(rand::rng().random_range(REFUSALS_WAIT)),
        };
        let stop = self.tasks.stop_token();
        self.tasks.spawn("record refusal", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
            let change = move |record: &mut Phone, events: &mut Vec<NewEvent>| {
                note_withheld(record, reason, &seen, now, events);
            };
            failpoint(Failpoint::RefusalWanted).await;
            let written = records.change_later(id, Box::new(change)).await;
            failpoint(Failpoint::RefusalWritten).await;
            match written {
                Ok(_) => deliveries.notify_request(id, reason),
                Err(error) => tracing::warn!(phone = id.0, %error, "a refusal could not be recorded"),
            }
            drop(place);
        });
    }
}

fn note_withheld(record: &mut Phone, reason: Reason, seen: &str, now: Timestamp, events: &mut Vec<NewEvent>) {
    if reason == Reason::BeforeConfig {
        transitions::before_config(record, now, events);
        return;
    }
    events.push(FacetEvent::Refused { reason, seen }.into());
    // A working phone stays provisioned regardless of what other clients try. The timeline records the attempts.
    transitions::rejected(record, reason.text(), now);
}

/// Rejections that need neither token nor proof, only a file name with a known MAC.
fn takes_a_mac_only(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Blocked
            | Reason::Gone
            | Reason::WrongCredentials
            | Reason::LockedOut
            | Reason::SourceFrozen
            | Reason::CertificateRequired
            | Reason::CertificateExpired
            | Reason::CertificateUnknownIssuer
            | Reason::CertificateNoMac
            | Reason::OtherCertificate
    )
}

/// Whether the rejection is unusual. A request without credentials, which starts every exchange, is not.
fn is_notable(reason: Reason) -> bool {
    match reason {
        Reason::BeforeConfig
        | Reason::Orphaned
        | Reason::WrongMac
        | Reason::Blocked
        | Reason::Gone
        | Reason::OtherSource
        | Reason::WrongCredentials
        | Reason::LockedOut
        | Reason::SourceFrozen
        | Reason::CertificateRequired
        | Reason::CertificateExpired
        | Reason::CertificateUnknownIssuer
        | Reason::CertificateNoMac
        | Reason::UnknownModel
        | Reason::OtherCertificate => true,
        Reason::Admitted
        | Reason::CommonFile
        | Reason::Released
        | Reason::Insecure
        | Reason::UnknownToken
        | Reason::ForbiddenName
        | Reason::UnknownPhone
        | Reason::MissingCredentials
        | Reason::WindowClosed
        | Reason::StaleNonce => false,
    }
}
