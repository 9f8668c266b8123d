//! Serves the admin page: `gangway-admin.htm` and `.png` for the client, `admin/` for a plain browser, and the files it
//! needs below the id of their build. They require no login, because they contain no data.

mod build_id;
pub mod frame_ancestors;
mod static_files;

pub use self::build_id::build;

use std::{net::IpAddr, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        Method,
        header::{self, HeaderValue},
    },
    web::Payload,
};
use futures_util::future::LocalBoxFuture;

use self::{
    frame_ancestors::ancestors,
    static_files::{ASSETS, Asset},
};
use crate::{
    http::{client_address::Proxies, interfaces::Pages, server::connections::is_over_tls},
    pbx::{app_objects::ADMIN_APP, sessions::PbxSessions},
    phone::instance::Instance,
    store::Store,
};

/// The page's folder below the instance.
const FOLDER: &str = "admin";
/// The name of the icon file.
const ICON: &str = "gangway-admin.png";
/// A year: a file below a build never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Half a year of HSTS, sent if the gateway is reached over TLS.
const TLS_ONLY: &str = "max-age=15768000";

/// The admin page.
pub struct AdminPages {
    /// The connected PBXs, whose clients may show the page in a frame.
    pub sessions: PbxSessions,
    /// Contains the PBXs that were connected before.
    pub store: Store,
    /// The trusted reverse proxies.
    pub proxies: Proxies,
}

impl Pages for AdminPages {
    fn page(
        &self,
        request: &HttpRequest,
        _payload: &mut Payload,
        instance: &Arc<Instance>,
        path: &str,
    ) -> Option<LocalBoxFuture<'static, HttpResponse>> {
        let reply = self.answer(request, instance, path)?;
        Some(Box::pin(async move { reply }))
    }
}

impl AdminPages {
    fn answer(&self, request: &HttpRequest, instance: &Instance, path: &str) -> Option<HttpResponse> {
        let encrypted = self.is_encrypted(request);
        let start = |assets: &str, icon: &str| {
            let page = ASSETS.index(assets, icon);
            let policy = policy(&ancestors(&self.store, &self.sessions, instance, encrypted));
            let mut reply = file(request, &page, "no-cache", encrypted);
            if let Ok(policy) = HeaderValue::from_str(&policy) {
                reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            }
            reply
        };
        let build = ASSETS.build();
        let found = match path.strip_prefix(ADMIN_APP) {
            Some(".htm") => start(&format!("{FOLDER}/{build}"), ICON),
            Some(".png") => file(request, ASSETS.get(ICON)?, "public, max-age=86400", encrypted),
            _ => {
                let below = path.strip_prefix(FOLDER).filter(|below| below.is_empty() || below.starts_with('/'))?;
                match below.trim_start_matches('/') {
                    "" if !request.path().ends_with('/') => moved(request, encrypted),
                    "" => start(build, &format!("{build}/{ICON}")),
                    below => {
                        let (of, name) = below.split_once('/')?;
                        file(request, ASSETS.get(name).filter(|_| of == build)?, FOR_EVER, encrypted)
                    }
                }
            }
        };
        Some(match *request.method() {
            Method::GET | Method::HEAD => found,
            _ => guarded(HttpResponse::MethodNotAllowed(), encrypted)
                .insert_header((header::ALLOW, "GET, HEAD"))
                .finish(),
        })
    }

    fn is_encrypted(&self, request: &HttpRequest) -> bool {
        let peer = request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
        self.proxies.client(peer, is_over_tls(request), request.headers()).encrypted
    }
}

fn policy(ancestors: &[String]) -> String {
    let mut policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
            .to_owned();
    for origin in ancestors {
        policy.push(' ');
        policy.push_str(origin);
    }
    policy
}

fn file(request: &HttpRequest, asset: &Asset, caching: &'static str, encrypted: bool) -> HttpResponse {
    let takes_gzip = request
        .headers()
        .get_all(header::ACCEPT_ENCODING)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("gzip")));
    let mut reply = guarded(HttpResponse::Ok(), encrypted);
    reply
        .insert_header((header::CONTENT_TYPE, asset.media_type))
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header((header::VARY, "Accept-Encoding"));
    match asset.gzip().filter(|_| takes_gzip) {
        Some(packed) => reply.insert_header((header::CONTENT_ENCODING, "gzip")).body(packed.clone()),
        None => reply.body(asset.body.clone()),
    }
}

/// Adds the headers of all responses.
fn guarded(mut reply: HttpResponseBuilder, encrypted: bool) -> HttpResponseBuilder {
    reply
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"));
    if encrypted {
        reply.insert_header((header::STRICT_TRANSPORT_SECURITY, TLS_ONLY));
    }
    reply
}

/// Redirects to the folder, to which the page's links are relative.
fn moved(request: &HttpRequest, encrypted: bool) -> HttpResponse {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    guarded(HttpResponse::PermanentRedirect(), encrypted)
        .insert_header((header::LOCATION, format!("{FOLDER}/{query}")))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_who_may_show_the_page_and_lets_nothing_else_in() {
        let policy = policy(&["https://pbx.example.com".to_owned()]);
        assert!(policy.ends_with("frame-ancestors 'self' https://pbx.example.com"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none'"), "{policy}");
    }
}
