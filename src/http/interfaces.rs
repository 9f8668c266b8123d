//! Interfaces that the listeners need from other components: records, files, websocket upgrades, pages, and
//! notifications of deliveries. Tests implement them in memory.

use std::{net::IpAddr, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web::Payload};
use bytes::Bytes;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use gangway_base::{mac::Mac, periodic::PeriodicStatus};
use gangway_wire::http_auth::Scheme;
use jiff::Timestamp;

use crate::{
    catalog::{FileKind, Recognition},
    phone::{
        admission::{Policy, Reason},
        instance::{Instance, InstanceId},
        record::{Credentials, Phone, PhoneId},
    },
    render::Stage,
    store::{DeliveredFile, NewEvent},
};

/// A change to one record, and the timeline entries it produces.
pub type RecordChange = Box<dyn FnOnce(&mut Phone, &mut Vec<NewEvent>) + Send>;

/// Why a record could not be changed or an upload could not be stored. The text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(pub String);

/// One request as it is stored, after the response.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// The instance.
    pub instance: InstanceId,
    /// The phone, if known. Requests of unknown devices are only counted.
    pub phone: Option<PhoneId>,
    /// Time of the request.
    pub at: Timestamp,
    /// Address of the client.
    pub address: IpAddr,
    /// The User-Agent.
    pub user_agent: Option<Arc<str>>,
    /// The file name, without the token.
    pub file: Arc<str>,
    /// Result of the request.
    pub outcome: RequestOutcome,
}

/// Result of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestOutcome {
    /// The personal stage was sent completely.
    Delivered,
    /// 304: the file has not changed.
    Unchanged,
    /// A HEAD request, or only a part of the file.
    Peeked,
    /// The open stage was sent, with the reason.
    Open(Reason),
    /// An upload was stored.
    Uploaded,
    /// The request was rejected, with the reason.
    Refused(Reason),
    /// 503, with the reason.
    Later(Reason),
    /// The gateway failed.
    Failed,
}

/// The phone records. Reads never block.
pub trait Records: Send + Sync {
    /// Returns the phone that a token belongs to, in any instance.
    fn by_token(&self, token: &str) -> Option<Arc<Phone>>;
    /// Returns the phone with this MAC in an instance.
    fn by_mac(&self, instance: InstanceId, mac: Mac) -> Option<Arc<Phone>>;
    /// Changes a record. The change is on disk when the future resolves.
    fn change(&self, phone: PhoneId, change: RecordChange) -> BoxFuture<'static, Result<Arc<Phone>, RecordError>>;
    /// Changes a record with low priority: it is written shortly after, batched with other changes.
    fn change_later(&self, phone: PhoneId, change: RecordChange)
    -> BoxFuture<'static, Result<Arc<Phone>, RecordError>>;
    /// Records a request. Never blocks, and drops requests rather than growing.
    fn record_request(&self, note: RequestRecord);
    /// Stores what a phone fetched, so that administrators can compare it. Never blocks, and drops files rather than
    /// growing.
    fn store_delivered(&self, file: DeliveredFile);
    /// Stores what a phone uploaded.
    fn save_upload(&self, phone: PhoneId, name: String, bytes: Bytes) -> BoxFuture<'static, Result<(), RecordError>>;
}

/// What User-Agent and file name tell. The model comes from the User-Agent first, from the file's number second.
#[derive(Debug, Clone)]
pub struct Recognised {
    /// The vendor's folder.
    pub vendor: Option<Arc<str>>,
    /// The model.
    pub model: Option<Arc<str>>,
    /// The firmware version.
    pub firmware: Option<Arc<str>>,
    /// The MAC in the file name.
    pub mac: Option<Mac>,
    /// What the name stands for.
    pub kind: FileKind,
    /// Vendor and model of the User-Agent, for the binding of a window.
    pub family: Arc<str>,
    /// The complete recognition, for the renderer.
    pub whole: Recognition,
}

/// A rendered file.
pub use crate::render::Rendered as File;

/// Vendors, settings, and rendering as one request needs them.
pub trait FileService: Send + Sync {
    /// Changes whenever the vendors or the settings of this instance change. Results of the methods below can be cached
    /// until then.
    fn revision(&self, instance: InstanceId) -> u64;
    /// Recognises vendor, model, and file from User-Agent and file name.
    fn recognise(&self, user_agent: Option<&str>, file: &str) -> Recognised;
    /// Returns the scheme in the vendor's manifest, or a default for unknown vendors.
    fn scheme(&self, vendor: Option<&str>) -> Scheme;
    /// Returns the policy that the settings define for this phone. An unknown phone gets the same policy as a known
    /// phone without its own settings.
    fn policy(&self, instance: InstanceId, phone: Option<&Phone>, recognised: &Recognised) -> Policy;
    /// Returns the account that all phones of the instance share during bootstrap.
    fn shared_account(&self, instance: InstanceId) -> Option<Arc<Credentials>>;
    /// Renders the file. `token` is the one from the phone's request. Returns `None` if the vendor has no such file.
    /// The error text is for the log.
    fn render(
        &self,
        instance: &Instance,
        phone: Option<&Phone>,
        recognised: &Recognised,
        stage: Stage,
        token: Option<&str>,
    ) -> Result<Option<Arc<File>>, String>;
}

/// Receives what phones did, so that provisioning can continue. Never blocks.
pub trait Deliveries: Send + Sync {
    /// A complete delivery was recorded that was new to the record.
    fn delivered(&self, phone: PhoneId);
    /// A phone's request was not answered with the personal stage, for a reason that provisioning reacts to.
    /// Rate-limited.
    fn notify_request(&self, phone: PhoneId, reason: Reason);
}

/// Handles websocket upgrades at and below an instance's path.
pub trait Upgrade: Send + Sync {
    /// Answers the upgrade and runs the websocket.
    fn upgrade(
        &self,
        request: HttpRequest,
        payload: Payload,
        instance: Arc<Instance>,
    ) -> LocalBoxFuture<'static, HttpResponse>;
}

/// Answers requests below an instance's `api`.
pub trait Scripts: Send + Sync {
    /// Answers a request. `path` is the path below `api`, still percent-encoded, without a leading slash.
    fn answer(
        self: Arc<Self>,
        request: HttpRequest,
        payload: Payload,
        instance: Arc<Instance>,
        path: String,
    ) -> LocalBoxFuture<'static, HttpResponse>;
}

/// Serves pages below an instance's path.
pub trait Pages: Send + Sync {
    /// Answers a request, or returns `None` if there is no such page. `path` is the path below the instance, without a
    /// leading slash.
    fn page(
        &self,
        request: &HttpRequest,
        payload: &mut Payload,
        instance: &Arc<Instance>,
        path: &str,
    ) -> Option<LocalBoxFuture<'static, HttpResponse>>;
}

/// Tries each element in order and uses the first that has the page.
impl Pages for Vec<Arc<dyn Pages>> {
    fn page(
        &self,
        request: &HttpRequest,
        payload: &mut Payload,
        instance: &Arc<Instance>,
        path: &str,
    ) -> Option<LocalBoxFuture<'static, HttpResponse>> {
        self.iter().find_map(|pages| pages.page(request, payload, instance, path))
    }
}

/// Reports whether the gateway can do its work.
pub trait Readiness: Send + Sync {
    /// Returns what is not ready, with the reason. Empty means ready.
    fn missing(&self) -> Vec<NotReady>;

    /// Returns problems that an administrator should fix although the gateway works.
    fn remarks(&self) -> Vec<NotReady> {
        Vec::new()
    }

    /// The periodic tasks with the results of their last runs.
    fn periodic(&self) -> Vec<PeriodicStatus> {
        Vec::new()
    }
}

/// One thing that is not ready.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NotReady {
    /// The component.
    pub what: String,
    /// The reason and the solution.
    pub why: String,
}
