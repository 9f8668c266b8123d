//! The answers that need nothing of the session: each calls one use case.

use gangway_wire::appws::Envelope;

use super::{
    methods::Method,
    requests::{
        ActRequest, AddressRequest, AuditRequest, ChartRequest, ConfigRequest, LineKeysRequest, PruneRequest,
        RevealRequest, ScopeRequest, ScopedChange, TokenRequest, VendorRequest, VendorsRequest,
    },
    response::{MessageResult, read, reply, reply_list, result, text_in_pieces},
};
use crate::{
    render::Stage,
    service::{
        AdminService, actions, activity_chart, audit,
        caller::Caller,
        config_diff, frozen_sources, gateway,
        history::{self, CallQuery},
        line_keys, pbx_setup, rendered_config, settings, settings_write,
        tokens::{self, NewTokenForm},
        types::{CreatedToken, PbxSetupOrder, PbxSetupRequest},
        vendors,
    },
};

/// Answers a request. Messages that read or change the subscriptions of the session are answered by it, not here.
///
/// # Errors
/// Why the request is rejected.
pub async fn answer(service: &AdminService, person: &Caller, kind: Method, message: &Envelope) -> MessageResult {
    let (deps, instance) = (service.deps(), person.instance.id);
    match kind {
        Method::Hello => reply(message, &gateway::session_info(deps, person)),
        Method::Tokens => reply_list(message, &tokens::tokens(&deps.store, &deps.clock, instance), "tokens"),
        Method::Vendors => {
            let request: VendorsRequest = read(message)?;
            reply_list(message, &vendors::vendors(deps, instance, request.vendor.as_deref())?, "vendors")
        }
        Method::LineKeys => {
            let request: LineKeysRequest = read(message)?;
            reply(message, &line_keys::line_keys(deps, instance, &request.scope, &request.value)?)
        }
        Method::Act => {
            let request: ActRequest = read(message)?;
            let (mac, action) = (request.mac.clone(), request.action.clone());
            reply(message, &actions::act(deps, person, &mac, &action, &request.options()).await?)
        }
        Method::Categories => reply_list(message, &actions::categories(deps, instance).await?, "categories"),
        Method::Chart => {
            let request: ChartRequest = read(message)?;
            reply_list(message, &activity_chart::chart(deps, instance, request.hours).await?, "hours")
        }
        Method::Config => {
            let request: ConfigRequest = read(message)?;
            let stage = if request.open { Stage::Open } else { Stage::Personal };
            reply_list(message, &rendered_config::config(deps, instance, &request.mac, stage)?, "lines")
        }
        Method::Diff => {
            let request: ConfigRequest = read(message)?;
            reply_list(message, &config_diff::diff(deps, instance, &request.mac).await?, "lines")
        }
        Method::Reveal => {
            let request: RevealRequest = read(message)?;
            reply(message, &rendered_config::reveal(deps, person, &request.mac, request.what).await?)
        }
        Method::SettingsSet => {
            let change: ScopedChange = read(message)?;
            reply(message, &settings_write::set(deps, person, &change.scope, &change.values).await?)
        }
        Method::SettingsPending => {
            let request: ScopeRequest = read(message)?;
            reply(message, &settings::pending(deps, instance, request.scope()).await?)
        }
        Method::RedirectTest => {
            let request: VendorRequest = read(message)?;
            reply(message, &settings::redirect_test(deps, person, &request.vendor).await?)
        }
        Method::History => {
            let query: CallQuery = read(message)?;
            reply_list(message, &history::history(deps, instance, query).await?, "rows")
        }
        Method::HistoryExport => {
            let query: CallQuery = read(message)?;
            Ok(text_in_pieces(message, &history::export(deps, instance, query.filter).await?))
        }
        Method::HistoryPrune => {
            let request: PruneRequest = read(message)?;
            reply(message, &history::prune(deps, person, request.days).await?)
        }
        Method::Audit => {
            let request: AuditRequest = read(message)?;
            reply_list(message, &audit::audit(deps, instance, request.before, request.count).await?, "rows")
        }
        Method::TokenCreate => {
            let form: NewTokenForm = read(message)?;
            let (token, row) = tokens::create(&deps.store, &deps.clock, person, &form).await?;
            reply(message, &CreatedToken { id: row.id, token })
        }
        Method::TokenRevoke => {
            let request: TokenRequest = read(message)?;
            tokens::revoke(&deps.store, person, request.id).await?;
            Ok(vec![result(message).text()])
        }
        Method::PbxPlan => {
            let request: PbxSetupRequest = read(message)?;
            reply(message, &pbx_setup::plan(deps, person, &request).await?)
        }
        Method::PbxApply => {
            let order: PbxSetupOrder = read(message)?;
            reply(message, &pbx_setup::apply(service, person, &order, &|_, _| {}).await?)
        }
        Method::Snapshot => reply_list(message, &service.connections(person), "connections"),
        Method::Thaw => {
            let request: AddressRequest = read(message)?;
            reply(message, &frozen_sources::unfreeze(deps, person, &request.address).await?)
        }
        Method::Devices
        | Method::DevicesStop
        | Method::Phone
        | Method::PhoneStop
        | Method::Notices
        | Method::Settings
        | Method::HistorySubscribe
        | Method::ImportData
        | Method::ImportStart
        | Method::ImportState
        | Method::ImportStop => Ok(Vec::new()),
    }
}
