//! Information about the gateway: vendors, connections, and notices.

use super::{Problem, request::RestRequest, response::RestResponse};
use crate::service::{
    actions, frozen_sources, gateway,
    types::{
        Categories, Connections, Info, Notices, ProblemBody, ProviderList, UnfreezeBody, UnfreezeResult, VendorInfo,
        VendorList,
    },
    vendors as vendor_list,
};

/// The gateway, and the token that was shown.
#[utoipa::path(get, path = "/", tag = "gateway", responses((status = 200, body = Info, description = "The gateway")))]
pub async fn info(call: RestRequest) -> Result<RestResponse, Problem> {
    let answer = RestResponse::json(&gateway::info(call.service.deps(), &call.caller, &call.token))?;
    Ok(answer.link("service-desc", &format!("{}/openapi.json", call.base)))
}

/// The ways phones are provisioned by.
#[utoipa::path(get, path = "/providers", tag = "vendors", responses((status = 200, body = ProviderList, description = "The providers")))]
pub async fn providers(call: RestRequest) -> Result<RestResponse, Problem> {
    RestResponse::json(&gateway::providers(call.service.deps()))
}

/// All vendors with their models, and what a DHCP server tells their phones.
#[utoipa::path(get, path = "/vendors", tag = "vendors", responses((status = 200, body = VendorList, description = "The vendors")))]
pub async fn vendors(call: RestRequest) -> Result<RestResponse, Problem> {
    RestResponse::json(&vendor_list::vendors(call.service.deps(), call.caller.instance.id, None)?)
}

/// One vendor.
#[utoipa::path(get, path = "/vendors/{vendor}", tag = "vendors", params(("vendor" = String, Path, description = "The vendor")), responses((status = 200, body = VendorInfo, description = "The vendor"), (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such vendor")))]
pub async fn vendor(call: RestRequest) -> Result<RestResponse, Problem> {
    let mut found = vendor_list::vendors(call.service.deps(), call.caller.instance.id, Some(call.param(0)))?;
    match found.vendors.pop() {
        Some(vendor) => RestResponse::json(&vendor),
        None => Err(Problem::no_such_path()),
    }
}

/// The categories of Devices, for new codes and imports.
#[utoipa::path(get, path = "/categories", tag = "gateway", responses((status = 200, body = Categories, description = "The categories")))]
pub async fn categories(call: RestRequest) -> Result<RestResponse, Problem> {
    let categories = actions::categories(call.service.deps(), call.caller.instance.id).await?;
    RestResponse::json(&categories)
}

/// What a person should know.
#[utoipa::path(get, path = "/notices", tag = "gateway", responses((status = 200, body = Notices, description = "The notices")))]
pub async fn notices(call: RestRequest) -> Result<RestResponse, Problem> {
    RestResponse::json(&call.service.notices(call.caller.instance.id))
}

/// Ends the freeze of a source that tried one MAC address after the other.
#[utoipa::path(post, path = "/notices/thaw", tag = "gateway", request_body = UnfreezeBody, responses((status = 200, body = UnfreezeResult, description = "Whether it was frozen"), (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "No IP address")))]
pub async fn thaw(call: RestRequest) -> Result<RestResponse, Problem> {
    let wish: UnfreezeBody = call.json()?;
    let thawed = frozen_sources::unfreeze(call.service.deps(), &call.caller, &wish.address).await?;
    RestResponse::json(&thawed)
}

/// Every connection to a service; the gateway logs the same once.
#[utoipa::path(get, path = "/connections", tag = "gateway", responses((status = 200, body = Connections, description = "The connections")))]
pub async fn connections(call: RestRequest) -> Result<RestResponse, Problem> {
    RestResponse::json(&call.service.connections(&call.caller))
}
