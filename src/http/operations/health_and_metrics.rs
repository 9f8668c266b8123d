//! The operations listener: `/healthz` (the process responds), `/readyz` (the process can work, or the reasons why
//! not), `/metrics`.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, ServiceConfig},
};
use serde_json::json;

use crate::http::interfaces::Readiness;

/// Returns the text of `/metrics`.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// The response of `/healthz`, here and on the listeners for phones.
#[must_use]
pub fn healthy() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8")).body("ok\n")
}

/// Configures the service of the operations listener.
pub fn configure(readiness: Arc<dyn Readiness>, metrics: MetricsText) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        config
            .route("/healthz", web::get().to(|| async { healthy() }))
            .route(
                "/readyz",
                web::get().to(move || {
                    let (missing, remarks, periodic) = (readiness.missing(), readiness.remarks(), readiness.periodic());
                    async move {
                        let ready = missing.is_empty();
                        let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
                        answer.json(
                            json!({ "ready": ready, "missing": missing, "remarks": remarks, "periodic": periodic }),
                        )
                    }
                }),
            )
            .route(
                "/metrics",
                web::get().to(move || {
                    let text = metrics();
                    async move {
                        HttpResponse::Ok()
                            .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
                            .body(text)
                    }
                }),
            );
    }
}
