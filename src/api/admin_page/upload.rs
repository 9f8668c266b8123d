//! A file for an import, which the page sends in pieces. It may contain passwords of users.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gangway_wire::appws::Envelope;
use zeroize::Zeroizing;

use super::{
    requests::UploadPiece,
    response::{MessageResult, read, reply_list, result},
};
use crate::{
    phone::instance::InstanceId,
    service::{CheckedFile, IMPORT_BYTES, ServiceDependencies, ServiceError, import::check_file},
};

/// The pieces received so far, or the last complete file after its check.
#[derive(Default)]
pub struct Upload {
    bytes: Zeroizing<Vec<u8>>,
    checked: Option<CheckedFile>,
}

impl Upload {
    /// Answers `ImportData`.
    ///
    /// # Errors
    /// If the piece is not base64, or the file is too long.
    pub fn take(&mut self, deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
        let piece: UploadPiece = read(message)?;
        let bytes = BASE64_STANDARD.decode(&piece.data).map(Zeroizing::new).map_err(|error| {
            self.bytes.clear();
            ServiceError::BadRequest(error.to_string())
        })?;
        if self.bytes.len() + bytes.len() > IMPORT_BYTES {
            self.bytes.clear();
            return Err(ServiceError::ImportTooLarge);
        }
        self.checked = None;
        self.bytes.extend_from_slice(&bytes);
        if !piece.last {
            return Ok(vec![result(message).text()]);
        }
        let file = check_file(deps, instance, &std::mem::take(&mut self.bytes))?;
        let summary = file.summary();
        self.checked = Some(file);
        reply_list(message, &summary, "errors")
    }

    /// The last complete file.
    pub fn file(&self) -> Option<&CheckedFile> {
        self.checked.as_ref()
    }

    /// Forgets the file after its import has started.
    pub fn forget(&mut self) {
        self.checked = None;
    }
}
