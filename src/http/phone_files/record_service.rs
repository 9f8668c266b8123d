//! Implements the record interface of the listeners on the store.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gangway_base::mac::Mac;

use crate::{
    http::interfaces::{RecordChange, RecordError, Records, RequestOutcome, RequestRecord},
    phone::{
        instance::InstanceId,
        record::{Phone, PhoneId},
    },
    store::{DeliveredFile, RequestNote, Store},
};

/// [`Records`] backed by the store.
#[derive(Clone)]
pub struct RecordService(pub Store);

impl Records for RecordService {
    fn by_token(&self, token: &str) -> Option<Arc<Phone>> {
        self.0.phones().by_token(token)
    }

    fn by_mac(&self, instance: InstanceId, mac: Mac) -> Option<Arc<Phone>> {
        self.0.phones().by_mac(instance, mac)
    }

    fn change(&self, phone: PhoneId, change: RecordChange) -> BoxFuture<'static, Result<Arc<Phone>, RecordError>> {
        let store = self.0.clone();
        Box::pin(async move {
            let (record, ()) = store
                .phones()
                .change(phone, |record, events| change(record, events))
                .await
                .map_err(|error| RecordError(error.to_string()))?;
            Ok(record)
        })
    }

    fn change_later(
        &self,
        phone: PhoneId,
        change: RecordChange,
    ) -> BoxFuture<'static, Result<Arc<Phone>, RecordError>> {
        let store = self.0.clone();
        Box::pin(async move {
            store.phones().change_later(phone, change).await.map_err(|error| RecordError(error.to_string()))
        })
    }

    fn record_request(&self, note: RequestRecord) {
        self.0.requests().note(RequestNote {
            instance: note.instance,
            phone: note.phone,
            at: note.at,
            address: note.address,
            user_agent: note.user_agent,
            file: note.file,
            outcome: word(note.outcome),
        });
    }

    fn store_delivered(&self, file: DeliveredFile) {
        self.0.deliveries().note(file);
    }

    fn save_upload(&self, phone: PhoneId, name: String, bytes: Bytes) -> BoxFuture<'static, Result<(), RecordError>> {
        let store = self.0.clone();
        Box::pin(async move {
            store.uploaded_files().save(phone, &name, &bytes).await.map_err(|error| RecordError(error.to_string()))
        })
    }
}

/// The stored name of an outcome. For a rejection it is the reason.
fn word(outcome: RequestOutcome) -> &'static str {
    match outcome {
        RequestOutcome::Delivered => "delivered",
        RequestOutcome::Unchanged => "not-modified",
        RequestOutcome::Peeked => "peeked",
        RequestOutcome::Uploaded => "uploaded",
        RequestOutcome::Failed => "failed",
        RequestOutcome::Open(reason) | RequestOutcome::Refused(reason) | RequestOutcome::Later(reason) => {
            reason.as_str()
        }
    }
}
