//! Serves `phone/<one-time token>/<file>`: the CA and the https URL for a phone that does not yet trust the gateway's
//! certificate. The file contains no secrets, so plain HTTP is acceptable.

use std::{fs, path::PathBuf};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::json;

use super::response;
use crate::{
    catalog::FileKind,
    catalog::SharedRegistry,
    http::AppState,
    phone::{instance::Instance, public_url::Scheme},
    provision::{
        PublicUrlsOf,
        bootstrap::{self, BootstrapTicket},
    },
    store::Store,
};

/// The name of the CA file below the token.
pub const CA_FILE: &str = "ca.pem";

/// Dependencies of one-time URLs.
pub struct Bootstraps {
    /// The tickets.
    pub store: Store,
    /// The vendors.
    pub registry: SharedRegistry,
    /// The URLs under which phones reach an instance.
    pub urls: PublicUrlsOf,
    /// `[https] phone_ca`.
    pub ca: PathBuf,
    /// Serialises the requests, so that only one of two requests with the same token succeeds.
    pub turn: tokio::sync::Mutex<()>,
}

/// Answers a request whose token does not belong to a phone. Returns `None` if it is not a one-time token either.
pub async fn answer(
    deps: &AppState,
    request: &HttpRequest,
    instance: &Instance,
    token: &str,
    file: &str,
) -> Option<HttpResponse> {
    let here = deps.bootstraps.as_ref()?;
    let now = deps.clock.now();
    bootstrap::find(&here.store, instance.id, token, now)?;
    if request.method() != Method::GET {
        return Some(response::not_found());
    }
    let _turn = here.turn.lock().await;
    let ticket = bootstrap::find(&here.store, instance.id, token, now)?;
    let mac = ticket.mac;
    let given = match file {
        CA_FILE => fs::read_to_string(&here.ca).map_err(|error| here.unreadable(&error)).map(|pem| {
            Some(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/x-pem-file")).body(pem))
        }),
        _ => here.file(deps, request, instance, token, file, ticket).await,
    };
    Some(match given {
        Ok(Some(answer)) => answer,
        Ok(None) => response::not_found(),
        Err(reason) => {
            tracing::error!(mac = %mac, "a phone could not be given the CA: {reason}");
            response::later()
        }
    })
}

impl Bootstraps {
    fn unreadable(&self, error: &dyn std::fmt::Display) -> String {
        format!("the CA in [https] phone_ca, {}, cannot be read: {error}", self.ca.display())
    }

    async fn file(
        &self,
        deps: &AppState,
        request: &HttpRequest,
        instance: &Instance,
        token: &str,
        file: &str,
        ticket: BootstrapTicket,
    ) -> Result<Option<HttpResponse>, String> {
        let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let recognised = deps.files.recognise(agent, file);
        if ticket.used || recognised.kind != FileKind::Personal || recognised.mac != Some(ticket.mac) {
            return Ok(None);
        }
        let Some(phone) = self.store.phones().by_mac(instance.id, ticket.mac) else { return Ok(None) };
        let registry = self.registry.load_full();
        let Some(vendor) = registry.vendor(&phone.vendor) else { return Ok(None) };
        let model = recognised.model.as_deref().or(phone.model.as_deref());
        let firmware = recognised.firmware.as_deref().or(phone.firmware.as_deref());
        let chosen = vendor.choose(model, Some(&phone.provider), firmware);
        let Some((family, template)) = chosen.and_then(|(family, one)| Some((family, one.bootstrap.as_deref()?)))
        else {
            return Ok(None);
        };
        let der = CertificateDer::from_pem_file(&self.ca).map_err(|error| self.unreadable(&error))?;
        let url = (self.urls)(instance.id).base(&phone.provider, Scheme::Https).map_err(|error| error.to_string())?;
        let values = json!({
            "provisioning": { "url": url, "interval_minutes": 1 },
            "ca": { "url": format!("{}{token}/{CA_FILE}", ticket.base), "base64": STANDARD.encode(&der) },
        });
        let text = registry.render(vendor, family, template, &values, true).map_err(|fault| fault.reason)?;
        bootstrap::spend(&self.store, instance.id, token).await.map_err(|error| error.to_string())?;
        tracing::info!(mac = %ticket.mac, "a phone fetched the CA and the https URL with its one-time URL");
        let kind = vendor.manifest.media_type_of(family, vendor.file(file)).to_owned();
        Ok(Some(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, kind)).body(text)))
    }
}
