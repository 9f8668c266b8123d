//! Settings by scope, and the redirect accounts in them.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::{Problem, request::RestRequest, response::RestResponse};
use crate::service::{
    settings, settings_write,
    types::{Pending, ProblemBody, RedirectTest, SettingList, SettingsChange, SettingsChanged},
};

/// Where values hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ScopeQuery {
    /// `instance` (without this), `vendor:V`, `model:V/M`, `category:C` or `phone:MAC`.
    #[param(
        pattern = "^(instance|vendor:[a-z0-9-]+|category:[A-Za-z0-9]+|model:[a-z0-9-]+/[A-Za-z0-9-]+|phone:(?!0{12}$)[0-9a-fA-F][02468aceACE][0-9a-fA-F]{10})$"
    )]
    scope: Option<String>,
}

impl ScopeQuery {
    fn scope(&self) -> &str {
        self.scope.as_deref().unwrap_or("instance")
    }
}

/// The settings of a scope: what is set, what holds and where from. Secrets are never shown.
#[utoipa::path(get, path = "/settings", tag = "settings", params(ScopeQuery), responses((status = 200, body = SettingList, description = "The settings")))]
pub async fn list(call: RestRequest) -> Result<RestResponse, Problem> {
    let query: ScopeQuery = call.query()?;
    let settings = settings::settings(call.service.deps(), call.caller.instance.id, query.scope())?;
    RestResponse::json(&settings)
}

/// Sets values, or takes them back; all or nothing. A secret belongs to the address it was set for: with another scheme,
/// host or port it is emptied, unless the same change sets it.
#[utoipa::path(patch, path = "/settings", tag = "settings", params(ScopeQuery), request_body = SettingsChange, responses((status = 204, description = "They are set"), (status = 200, body = SettingsChanged, description = "They are set; secrets were emptied, or there is something to correct"), (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "None is set; errors says which are not possible")))]
pub async fn set(call: RestRequest) -> Result<RestResponse, Problem> {
    let query: ScopeQuery = call.query()?;
    let change: SettingsChange = call.json()?;
    let changed = settings_write::set(call.service.deps(), &call.caller, query.scope(), &change.values).await?;
    match changed.emptied.is_empty() && changed.remarks.is_empty() {
        true => Ok(RestResponse::nothing()),
        false => RestResponse::json(&changed),
    }
}

/// How many phones would get another file now.
#[utoipa::path(get, path = "/settings/pending", tag = "settings", responses((status = 200, body = Pending, description = "The count")))]
pub async fn pending(call: RestRequest) -> Result<RestResponse, Problem> {
    let pending = settings::pending(call.service.deps(), call.caller.instance.id, "instance").await?;
    RestResponse::json(&pending.counts)
}

/// Tries the redirect account of a vendor without changing anything at the service.
#[utoipa::path(post, path = "/vendors/{vendor}/redirect-test", tag = "vendors", params(("vendor" = String, Path, description = "The vendor")), request_body(content = Object, description = "Empty"), responses((status = 200, body = RedirectTest, description = "What came of it"), (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such vendor")))]
pub async fn redirect_test(call: RestRequest) -> Result<RestResponse, Problem> {
    let _empty: Map<String, Value> = call.json()?;
    let tested = settings::redirect_test(call.service.deps(), &call.caller, call.param(0)).await?;
    RestResponse::json(&tested)
}
