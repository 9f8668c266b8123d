//! What the listeners need from the rest of the house, named here: the records, the files, the receivers of
//! websocket upgrades and pages, and whoever wants to know of deliveries. Tests implement it in memory.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web::Payload};
use bytes::Bytes;
use gangway_base::mac::Mac;
use gangway_wire::http_auth::Scheme;
use jiff::Timestamp;

use crate::{
    catalog::Recognition,
    phone::{
        admission::{Policy, Reason},
        instance::{Instance, InstanceId},
        record::{Credentials, Phone, PhoneId},
    },
    store::{DeliveredFile, NewEvent},
};

/// A future that may move between threads.
pub type SendFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// A future of one worker.
pub type LocalReply<T> = Pin<Box<dyn Future<Output = T>>>;
/// A change of one record, and the entries it makes in the time line.
pub type RecordChange = Box<dyn FnOnce(&mut Phone, &mut Vec<NewEvent>) + Send>;

/// Why a record could not be changed or an upload not be kept; the sentence is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(pub String);

/// One request as the records remember it, written behind the answer.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// The tenant.
    pub instance: InstanceId,
    /// The phone, where it is known; unknown devices are counted only.
    pub phone: Option<PhoneId>,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub address: IpAddr,
    /// What it called itself.
    pub user_agent: Option<Arc<str>>,
    /// The file name, without token.
    pub file: Arc<str>,
    /// How it ended.
    pub outcome: RequestOutcome,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestOutcome {
    /// The personal stage was sent whole.
    Delivered,
    /// 304.
    Unchanged,
    /// HEAD or a part.
    Peeked,
    /// The open stage, and why.
    Open(Reason),
    /// An upload was kept.
    Uploaded,
    /// Nothing, and why.
    Refused(Reason),
    /// 503, and why.
    Later(Reason),
    /// We failed.
    Failed,
}

/// The phones' records. Reading never waits.
pub trait Records: Send + Sync {
    /// The phone a token belongs to, whatever its instance.
    fn by_token(&self, token: &str) -> Option<Arc<Phone>>;
    /// The phone with a MAC in an instance.
    fn by_mac(&self, instance: InstanceId, mac: Mac) -> Option<Arc<Phone>>;
    /// Changes a record; on disk when it answers.
    fn change(&self, phone: PhoneId, change: RecordChange) -> SendFuture<Result<Arc<Phone>, RecordError>>;
    /// Changes a record for nobody who waits: on disk a moment later, together with others.
    fn change_later(&self, phone: PhoneId, change: RecordChange) -> SendFuture<Result<Arc<Phone>, RecordError>>;
    /// Notes a request; never waits, loses notes rather than growing.
    fn record_request(&self, note: RequestRecord);
    /// Keeps what a phone fetched, for people to compare with; never waits, loses files rather than growing.
    fn store_delivered(&self, file: DeliveredFile);
    /// Keeps what a phone uploaded.
    fn save_upload(&self, phone: PhoneId, name: String, bytes: Bytes) -> SendFuture<Result<(), RecordError>>;
}

/// What the kind of a file name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedFileKind {
    /// The file of one phone.
    Personal,
    /// A file for all phones of a model.
    Common,
    /// A name phones only write to.
    Upload,
    /// Everything else.
    Other,
}

/// What User-Agent and file name tell. The model comes from the User-Agent first, from the file's number second.
#[derive(Debug, Clone)]
pub struct Recognised {
    /// The vendor's folder.
    pub vendor: Option<Arc<str>>,
    /// The model.
    pub model: Option<Arc<str>>,
    /// The firmware.
    pub firmware: Option<Arc<str>>,
    /// The MAC of the file name.
    pub mac: Option<Mac>,
    /// What the name stands for.
    pub kind: RequestedFileKind,
    /// Vendor and model of the User-Agent, for the binding of a window.
    pub family: Arc<str>,
    /// Everything, for the renderer.
    pub whole: Recognition,
}

/// Which part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileStage {
    /// Nothing secret.
    Open,
    /// Nothing secret, and the phone asks again in a minute.
    OpenSoon,
    /// Everything.
    Personal,
}

/// A rendered file.
pub use crate::render::Rendered as File;

/// Vendors, settings and rendering as one request needs them.
pub trait FileService: Send + Sync {
    /// Grows whenever vendors or this instance's settings change: everything below may answer differently then.
    fn revision(&self, instance: InstanceId) -> u64;
    /// What User-Agent and file name tell.
    fn recognise(&self, user_agent: Option<&str>, file: &str) -> Recognised;
    /// The scheme the vendor's manifest names, a default for unknown vendors.
    fn scheme(&self, vendor: Option<&str>) -> Scheme;
    /// What the settings say for this phone. For an unknown phone the same as for a known one without own settings.
    fn policy(&self, instance: InstanceId, phone: Option<&Phone>, recognised: &Recognised) -> Policy;
    /// The account that all phones of the instance share as bootstrap.
    fn shared_account(&self, instance: InstanceId) -> Option<Arc<Credentials>>;
    /// The file; `token` is the one the phone asked with. The error is a sentence for the log; `None` when the vendor has no such file.
    fn render(
        &self,
        instance: &Instance,
        phone: Option<&Phone>,
        recognised: &Recognised,
        stage: FileStage,
        token: Option<&str>,
    ) -> Result<Option<Arc<File>>, String>;
}

/// Learns what phones did, to go on with provisioning. Never waits.
pub trait Deliveries: Send + Sync {
    /// A complete delivery was recorded that the record did not know of yet.
    fn delivered(&self, phone: PhoneId);
    /// A phone asked and did not get its personal stage, in a way worth reacting to. Rate-limited.
    fn notify_request(&self, phone: PhoneId, reason: Reason);
}

/// Takes websocket upgrades at and below an instance's path.
pub trait Upgrade: Send + Sync {
    /// Answers the upgrade and runs the socket.
    fn upgrade(&self, request: HttpRequest, payload: Payload, instance: Arc<Instance>) -> LocalReply<HttpResponse>;
}

/// Answers scripts below an instance's `api`.
pub trait Scripts: Send + Sync {
    /// Answers. `path` is what follows `api`, still percent-encoded, without leading slash.
    fn answer(
        self: Arc<Self>,
        request: HttpRequest,
        payload: Payload,
        instance: Arc<Instance>,
        path: String,
    ) -> LocalReply<HttpResponse>;
}

/// Serves pages below an instance's path.
pub trait Pages: Send + Sync {
    /// Answers, or `None` when there is no such page. `path` is what follows the instance, without leading slash.
    fn page(
        &self,
        request: &HttpRequest,
        payload: &mut Payload,
        instance: &Arc<Instance>,
        path: &str,
    ) -> Option<LocalReply<HttpResponse>>;
}

/// Several, asked one after the other.
impl Pages for Vec<Arc<dyn Pages>> {
    fn page(
        &self,
        request: &HttpRequest,
        payload: &mut Payload,
        instance: &Arc<Instance>,
        path: &str,
    ) -> Option<LocalReply<HttpResponse>> {
        self.iter().find_map(|pages| pages.page(request, payload, instance, path))
    }
}

/// Says whether the gateway can do its work.
pub trait Readiness: Send + Sync {
    /// What is not ready, with the reason; empty = ready.
    fn missing(&self) -> Vec<NotReady>;

    /// What a person should put right although work goes on.
    fn remarks(&self) -> Vec<NotReady> {
        Vec::new()
    }
}

/// One thing that is not ready.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NotReady {
    /// What.
    pub what: String,
    /// Why, and what to do.
    pub why: String,
}
