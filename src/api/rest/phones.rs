//! Lists, shows, and controls phones.

use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Problem,
    problem::field_problem,
    request::{RestRequest, limit, list as words},
    response::RestResponse,
};
use crate::{
    render::Stage,
    service::{
        By, FacetFilter, ListParams, ListRequest, Sort,
        action::Action,
        actions, rendered_config, timeline,
        types::{
            Accepted, ConfigInfo, PhoneActions, PhoneList, PhoneShown, ProblemBody, ResyncRequest, ResyncResult,
            Timeline,
        },
    },
};

/// Maximum number of phones in one response.
const WINDOW: u32 = 200;
/// Maximum offset of a window.
const FARTHEST: u32 = 1_000_000;
/// Maximum number of phones in one resync request.
const RESYNCED: usize = 500;

/// Which phones.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct PhonesQuery {
    /// Words, all of which must occur in names, users, HW-IDs, MAC (any spelling), address, vendor, model, firmware or
    /// category. Letter case does not matter.
    search: Option<String>,
    /// Vendors, separated by commas.
    vendor: Option<String>,
    /// Stages, separated by commas.
    stage: Option<String>,
    /// States of the configuration from Devices, separated by commas.
    device_config: Option<String>,
    /// States of the redirect entry, separated by commas.
    redirect: Option<String>,
    /// States of the requests, separated by commas.
    requests: Option<String>,
    /// States of the PBX's flags, separated by commas.
    flags: Option<String>,
    /// States of the registration, separated by commas.
    registered: Option<String>,
    /// What is wanted, separated by commas.
    wanted: Option<String>,
    /// Only those that need a person.
    stuck: Option<bool>,
    /// Only those that should have asked.
    overdue: Option<bool>,
    /// Also those that were removed.
    removed: Option<bool>,
    /// A column, with `-` before it for the largest first.
    #[param(schema_with = sorts)]
    sort: Option<String>,
    /// Where the window begins.
    #[param(maximum = 1_000_000)]
    offset: Option<u32>,
    /// Phones in it.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

fn sorts() -> utoipa::openapi::schema::Object {
    let both = By::ALL.iter().flat_map(|by| [by.name().to_owned(), format!("-{}", by.name())]);
    utoipa::openapi::schema::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(both.collect::<Vec<_>>()))
        .build()
}

/// Phones that match, a window of the list.
#[utoipa::path(get, path = "/phones", tag = "phones", params(PhonesQuery), responses((status = 200, body = PhoneList, description = "A window of the list; Link leads to its neighbours")))]
pub async fn list(call: RestRequest) -> Result<RestResponse, Problem> {
    let query: PhonesQuery = call.query()?;
    let count = limit(query.limit, 50, WINDOW)?;
    let offset = query.offset.unwrap_or(0);
    if offset > FARTHEST {
        return Err(Problem::unreadable("query", format!("offset={offset} is beyond {FARTHEST}")));
    }
    let sort = query.sort.as_deref().unwrap_or("mac");
    let column = sort.strip_prefix('-').unwrap_or(sort);
    let Some(by) = By::named(column) else {
        let columns: Vec<&str> = By::ALL.iter().map(|by| by.name()).collect();
        return Err(Problem::unreadable(
            "query",
            format!("sort={sort} is no column; columns are {}", columns.join(", ")),
        ));
    };
    let request = ListRequest {
        query: ListParams {
            search: query.search.unwrap_or_default(),
            vendors: words(query.vendor.as_deref()),
            stages: words(query.stage.as_deref()),
            states: FacetFilter {
                device_config: words(query.device_config.as_deref()),
                redirect: words(query.redirect.as_deref()),
                requests: words(query.requests.as_deref()),
                flags: words(query.flags.as_deref()),
                registered: words(query.registered.as_deref()),
                wanted: words(query.wanted.as_deref()),
            },
            stuck: query.stuck.unwrap_or(false),
            overdue: query.overdue.unwrap_or(false),
            removed: query.removed.unwrap_or(false),
        },
        sort: Sort { by, descending: sort.starts_with('-') },
        offset: usize::try_from(offset).unwrap_or(usize::MAX),
        count: usize::try_from(count).unwrap_or(usize::MAX),
    };
    let phones = call.service.phones(call.caller.instance.id, request);
    let mut answer = RestResponse::json(&phones)?;
    let address = |offset: u32| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let others = url::form_urlencoded::parse(call.query.as_bytes());
        query.extend_pairs(others.filter(|(name, _)| name != "offset"));
        query.append_pair("offset", &offset.to_string());
        format!("{}/phones?{}", call.base, query.finish())
    };
    if u64::from(offset.saturating_add(count)) < phones.total {
        answer = answer.link("next", &address(offset.saturating_add(count)));
    }
    if offset > 0 {
        answer = answer.link("prev", &address(offset.saturating_sub(count)));
    }
    Ok(answer)
}

/// One phone: everything known about it, where it is stuck and what to do.
#[utoipa::path(get, path = "/phones/{mac}", tag = "phones", params(("mac" = String, Path, pattern = "^(?!0{12}$)[0-9a-fA-F][02468aceACE][0-9a-fA-F]{10}$", description = "MAC address; every other usual spelling does, too")), responses((status = 200, body = PhoneShown, description = "The phone"), (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such phone")))]
pub async fn show(call: RestRequest) -> Result<RestResponse, Problem> {
    RestResponse::json(&call.service.phone(call.caller.instance.id, call.param(0))?)
}

/// Everything that happened to a phone, oldest first.
#[utoipa::path(get, path = "/phones/{mac}/timeline", tag = "phones", params(("mac" = String, Path, pattern = "^(?!0{12}$)[0-9a-fA-F][02468aceACE][0-9a-fA-F]{10}$", description = "MAC address; every other usual spelling does, too")), responses((status = 200, body = Timeline, description = "The time line"), (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such phone")))]
pub async fn timeline(call: RestRequest) -> Result<RestResponse, Problem> {
    RestResponse::json(&timeline::timeline(call.service.deps(), call.caller.instance.id, call.param(0)).await?)
}

/// Which part of a file.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ConfigQuery {
    /// The part anybody may read, instead of the personal one.
    open: Option<bool>,
}

/// The file as the phone would get it now, line by line with the origin of each; secrets are masked.
#[utoipa::path(get, path = "/phones/{mac}/config", tag = "phones", params(("mac" = String, Path, pattern = "^(?!0{12}$)[0-9a-fA-F][02468aceACE][0-9a-fA-F]{10}$", description = "MAC address; every other usual spelling does, too"), ConfigQuery), responses((status = 200, body = ConfigInfo, description = "The file"), (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such phone")))]
pub async fn config(call: RestRequest) -> Result<RestResponse, Problem> {
    let query: ConfigQuery = call.query()?;
    let stage = if query.open.unwrap_or(false) { Stage::Open } else { Stage::Personal };
    RestResponse::json(&rendered_config::config(call.service.deps(), call.caller.instance.id, call.param(0), stage)?)
}

/// What can be done to a phone.
#[derive(Debug, utoipa::ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only used to generate the OpenAPI document")]
pub enum ActionName {
    RedirectAgain,
    Allow,
    NewCode,
    AskRegistration,
    Resync,
    RotateCredentials,
    Release,
    Block,
    Remove,
    Activate,
}

/// Does something to a phone; the time line tells what comes of it.
#[utoipa::path(post, path = "/phones/{mac}/actions/{action}", tag = "phones", params(("mac" = String, Path, pattern = "^(?!0{12}$)[0-9a-fA-F][02468aceACE][0-9a-fA-F]{10}$", description = "MAC address; every other usual spelling does, too"), ("action" = ActionName, Path, description = "What to do")), request_body = PhoneActions, responses((status = 202, body = Accepted, description = "It will happen"), (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such phone or action")))]
pub async fn act(call: RestRequest) -> Result<RestResponse, Problem> {
    let wish: PhoneActions = call.json()?;
    let accepted = actions::act(call.service.deps(), &call.caller, call.param(0), call.param(1), &wish).await?;
    let address = format!("{}/phones/{}/timeline", call.base, encoded(call.param(0)));
    Ok(RestResponse::accepted(&accepted)?.at(address))
}

/// Tells phones to come now (SIP NOTIFY to where they are registered); their time lines say whether they do.
#[utoipa::path(post, path = "/resync", tag = "phones", request_body = ResyncRequest, responses((status = 202, body = ResyncResult, description = "Who is told")))]
pub async fn resync(call: RestRequest) -> Result<RestResponse, Problem> {
    let wish: ResyncRequest = call.json()?;
    if wish.macs.is_empty() || wish.macs.len() > RESYNCED {
        return Err(Problem::unreadable(
            "body",
            format!("macs holds {} addresses, not 1 to {RESYNCED}", wish.macs.len()),
        ));
    }
    let mut result = ResyncResult { accepted: 0, refused: Vec::new() };
    for mac in wish.macs {
        match actions::act(call.service.deps(), &call.caller, &mac, Action::Resync.name(), &PhoneActions::default())
            .await
        {
            Ok(_) => result.accepted += 1,
            Err(error) => {
                result.refused.push(field_problem(&mac.chars().take(40).collect::<String>(), &error.message()));
            }
        }
    }
    RestResponse::accepted(&result)
}

fn encoded(part: &str) -> String {
    url::form_urlencoded::byte_serialize(part.as_bytes()).collect()
}
