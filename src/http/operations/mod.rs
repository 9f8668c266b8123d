//! `/healthz`, `/readyz` and `/metrics`.

pub mod health_and_metrics;
pub mod request_metrics;
