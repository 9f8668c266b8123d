//! Answers factory-fresh phones with settings that contain their settings URL. A phone requests the same files as from
//! any server (`/snom<MODEL>-<MAC>.htm`); older ones request `/<model>/<model>.php?mac=<MAC>`.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use gangway_base::mac::Mac;

use super::state::SrapsState;
use crate::{board::Board, redirect_service::RedirectState};

pub(super) async fn ask(board: Data<Board<SrapsState>>, request: HttpRequest) -> HttpResponse {
    let path = request.path().to_owned();
    let of_query = request.query_string().split('&').find_map(|pair| pair.strip_prefix("mac="));
    let is_old = of_query.is_some();
    let mac = of_query.map_or_else(|| in_name(&path), |text| text.parse().ok());
    let target = board.change(|state| {
        state.phone_requests.push(path.clone());
        mac.and_then(|mac| state.target(&mac.to_string()))
    });
    match target {
        Some(url) => HttpResponse::Ok().content_type("text/xml").body(settings(&url)),
        // On the legacy path an unknown phone gets an empty page.
        None if is_old => HttpResponse::Ok().finish(),
        None => HttpResponse::NotFound().finish(),
    }
}

/// Returns the MAC at the end of a file name.
fn in_name(path: &str) -> Option<Mac> {
    let name = path.rsplit('/').next()?.split('.').next()?;
    let last = name.get(name.len().checked_sub(12)?..)?;
    last.parse().ok()
}

fn settings(url: &str) -> String {
    let url = url.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<settings><phone-settings>\
         <setting_server perm=\"RW\">{url}</setting_server></phone-settings></settings>\n"
    )
}
