//! The set-up of a PBX for `gangway pbx`. Both commands need the sessions of the running gateway.

use super::{CommandError, CommandService, Replies};
use crate::service::{
    ServiceError,
    caller::Caller,
    pbx_setup,
    types::{PbxSetupOrder, PbxSetupPlan, PbxSetupRequest, PbxSetupResult},
};

impl CommandService {
    pub(super) async fn plan_pbx_setup(
        &self,
        caller: &Caller,
        setup: &PbxSetupRequest,
    ) -> Result<PbxSetupPlan, CommandError> {
        let gateway = self.gateway("the PBX cannot be asked")?;
        pbx_setup::plan(gateway.deps(), caller, setup).await.map_err(explained)
    }

    pub(super) async fn apply_pbx_setup(
        &self,
        caller: &Caller,
        order: &PbxSetupOrder,
        replies: &Replies,
    ) -> Result<PbxSetupResult, CommandError> {
        let gateway = self.gateway("the PBX cannot be set up")?;
        let progress = |done, of| replies.progress(done, of);
        pbx_setup::apply(gateway, caller, order, &progress).await.map_err(explained)
    }
}

/// The error, with the option that answers it.
fn explained(error: ServiceError) -> CommandError {
    match error {
        ServiceError::PbxSetup(app_error @ crate::pbx::app_object_setup::SetupError::Several(_)) => {
            CommandError::rejected(format!("{app_error}: --pbx NAME"))
        }
        other => other.into(),
    }
}
