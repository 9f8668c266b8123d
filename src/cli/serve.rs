//! `gangway serve`

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;

use super::{
    Global,
    context::{load_config, refuse_foreign_owner},
};
use crate::{
    app::Application,
    clock::{SharedClock, SystemClock},
    lifecycle::Signals,
    telemetry,
};

/// Serves until a signal ends it.
pub fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let config = load_config(global)?;
    telemetry::init(&config.log)?;
    refuse_foreign_owner(&config.data.dir)?;
    actix_rt::System::new().block_on(async {
        let mut signals = Signals::register().context("signals cannot be watched")?;
        let clock: SharedClock = Arc::new(SystemClock);
        let application = Application::build(config, clock).await.context("the gateway does not start")?;
        let (tasks, reload) = (application.tasks(), application.reloader());
        let serving = application.run();
        tokio::pin!(serving);
        let served = tokio::select! {
            served = &mut serving => served,
            _ = signals.until_stop(&tasks, reload) => {
                tasks.ask_to_stop();
                tokio::select! {
                    served = &mut serving => served,
                    () = signals.impatient() => {
                        tracing::warn!("a second signal: stopping at once");
                        return Ok(ExitCode::from(130));
                    }
                }
            }
        };
        served.context("the gateway ended")?;
        Ok(ExitCode::SUCCESS)
    })
}
