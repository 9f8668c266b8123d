//! Imports phones from a file.

use serde::Deserialize;
use utoipa::IntoParams;

use super::{Problem, request::RestRequest, response::RestResponse};
use crate::service::{
    import,
    types::{FieldProblem, ImportCheck, ImportInfo, ImportOptions, ImportStarted, ProblemBody},
};

/// How a file is imported.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Only check it.
    dry_run: Option<bool>,
    /// Id or name of the category in Devices for phones whose line names none.
    category: Option<String>,
    /// Each code is valid for 7 days instead of 15 minutes.
    rollout: Option<bool>,
}

/// Checks a file of phones and provisions its good lines. UTF-8 with or without BOM or Latin-1; comma, semicolon or tab;
/// at most 20,000 lines, 8 MiB. A head line names the columns: mac user name vendor password hwid pbx domain category.
#[utoipa::path(post, path = "/import", tag = "import", params(ImportQuery), request_body(content = String, content_type = "text/csv"), responses((status = 200, body = ImportCheck, description = "With dryRun: what the check says"), (status = 202, body = ImportStarted, description = "It has begun; Location tells how far it is"), (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "Another one is under way, or Devices gives no codes"), (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "No line can be imported")))]
pub async fn start(call: RestRequest) -> Result<RestResponse, Problem> {
    let query: ImportQuery = call.query()?;
    let file = import::check_file(call.service.deps(), call.caller.instance.id, &call.body)?;
    let check = file.summary();
    if query.dry_run.unwrap_or(false) {
        return RestResponse::json(&check);
    }
    if check.good == 0 {
        let errors = check.errors.into_iter().map(|error| FieldProblem {
            field: error.field,
            line: Some(error.line),
            detail: error.text.text,
            code: error.text.key,
        });
        let status = actix_web::http::StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Problem::new(status, "No line of the file can be imported.").with_errors(errors.collect()));
    }
    let options = ImportOptions { category: query.category, rollout: query.rollout.unwrap_or(false) };
    let started = import::start(&call.service, &call.caller, Some(&file), options).await?;
    let address = format!("{}/import", call.base);
    Ok(RestResponse::accepted(&ImportStarted { started, check })?.at(address))
}

/// How far the import is, or how the last one ended.
#[utoipa::path(get, path = "/import", tag = "import", responses((status = 200, body = ImportInfo, description = "The state")))]
pub async fn state(call: RestRequest) -> Result<RestResponse, Problem> {
    RestResponse::json(&call.service.import_state(call.caller.instance.id))
}

/// Ends the import after the lines under way; the same file again goes on with the rest.
#[utoipa::path(delete, path = "/import", tag = "import", responses((status = 204, description = "It ends")))]
pub async fn stop(call: RestRequest) -> Result<RestResponse, Problem> {
    import::stop(&call.service, &call.caller).await?;
    Ok(RestResponse::nothing())
}
