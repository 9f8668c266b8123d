//! Everything built and wired in one place: [`Application::build`] binds and returns the ports, [`Application::run`]
//! serves until told to stop.

mod deliveries;
mod files;
mod history;
mod readiness;
mod records;
mod sockets;
mod threads;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix_web::dev::ServerHandle;

use self::{
    deliveries::ToProvisioning, files::RenderedFiles, readiness::LinksReadiness, records::StoredRecords,
    sockets::Sockets, threads::Threads,
};
use crate::{
    apis::{Apis, pbx_admin::ConnectedPbxs},
    clock::SharedClock,
    config::Config,
    http::{self, certificate::Certificate, listeners},
    lifecycle::SHUTDOWN_PATIENCE,
    links::{devices::DevicesLinks, pbx::PbxSessions},
    phone::instance::{Instance, Instances},
    provision::Provisioning,
    render::Renderer,
    store::{Claim, Store, StoreError},
    tasks::Tasks,
    telemetry::{self, metric::install_recorder},
    vendor::Registry,
};
