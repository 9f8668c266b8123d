//! The records of the store, as the listeners use them.

use std::sync::Arc;

use bytes::Bytes;
use gangway_base::mac::Mac;

use crate::{
    http::interfaces::{Change, Outcome, RecordError, Records, Reply, Seen},
    phone::{
        instance::InstanceId,
        record::{Phone, PhoneId},
    },
    store::{DeliveredFile, RequestNote, Store},
};

/// [`Records`] on the store.
#[derive(Clone)]
pub struct Stored(pub Store);

impl Records for Stored {
    fn by_token(&self, token: &str) -> Option<Arc<Phone>> {
        self.0.roster().by_token(token)
    }

    fn by_mac(&self, instance: InstanceId, mac: Mac) -> Option<Arc<Phone>> {
        self.0.roster().by_mac(instance, mac)
    }

    fn change(&self, phone: PhoneId, change: Change) -> Reply<Result<Arc<Phone>, RecordError>> {
        let store = self.0.clone();
        Box::pin(async move {
            let (record, ()) = store
                .change_phone(phone, |record, events| change(record, events))
                .await
                .map_err(|error| RecordError(error.to_string()))?;
            Ok(record)
        })
    }

    fn change_later(&self, phone: PhoneId, change: Change) -> Reply<Result<Arc<Phone>, RecordError>> {
        let store = self.0.clone();
        Box::pin(async move {
            store.change_phone_later(phone, change).await.map_err(|error| RecordError(error.to_string()))
        })
    }

    fn seen(&self, note: Seen) {
        self.0.request_seen(RequestNote {
            instance: note.instance,
            phone: note.phone,
            at: note.at,
            address: note.address,
            user_agent: note.user_agent,
            file: note.file,
            outcome: word(note.outcome),
        });
    }

    fn keep_delivered(&self, file: DeliveredFile) {
        self.0.file_delivered(file);
    }

    fn save_upload(&self, phone: PhoneId, name: String, bytes: Bytes) -> Reply<Result<(), RecordError>> {
        let store = self.0.clone();
        Box::pin(async move {
            store.save_upload(phone, &name, &bytes).await.map_err(|error| RecordError(error.to_string()))
        })
    }
}

/// The lasting word of an outcome; of a refusal its reason.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Unchanged => "not-modified",
        Outcome::Peeked => "peeked",
        Outcome::Uploaded => "uploaded",
        Outcome::Failed => "failed",
        Outcome::Open(reason) | Outcome::Refused(reason) | Outcome::Later(reason) => reason.as_str(),
    }
}
