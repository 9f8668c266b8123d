//! Vendors, settings and rendering as the listeners see them.

use std::sync::Arc;

use crate::{
    http::ports::{File, FileKind, Files, Recognised, Stage},
    phone::{
        admission::{FirstContact, Policy},
        instance::{Instance, InstanceId},
        record::{Credentials, Phone},
        settings::{Effective, Lookup},
        urls::{Scheme, phone_base},
    },
    provision::urls::{learned, shared_account},
    render::{self, FileRequest, RenderError, Renderer},
    store::Store,
    vendor::{self, AuthScheme, Recognition, SharedRegistry},
    wire::http_auth,
};

/// Renders from the store's records.
pub struct RenderedFiles {
    store: Store,
    registry: SharedRegistry,
    renderer: Arc<Renderer>,
}

impl RenderedFiles {
    /// Puts the three together.
    #[must_use]
    pub fn new(store: Store, registry: SharedRegistry, renderer: Arc<Renderer>) -> Self {
        Self { store, registry, renderer }
    }

    fn settings(&self, instance: InstanceId, phone: Option<&Phone>, vendor: Option<&str>, model: Option<&str>) -> Effective {
        let lookup = Lookup {
            vendor: phone.map(|phone| phone.vendor.as_str()).or(vendor),
            model: model.or_else(|| phone.and_then(|phone| phone.model.as_deref())),
            category: phone.and_then(|phone| phone.category.as_deref()),
            mac: phone.map(|phone| phone.mac),
        };
        self.store.layers(instance).effective(&lookup, phone.map(|phone| &phone.device_config))
    }
}

impl Files for RenderedFiles {
    fn revision(&self, instance: InstanceId) -> u64 {
        // Each of the three only grows, so the sum changes with each of them.
        let layers = self.store.layers(instance).revision();
        layers.wrapping_add(self.registry.load().revision() << 20).wrapping_add(self.store.facts_revision() << 40)
    }

    fn recognise(&self, user_agent: Option<&str>, file: &str) -> Recognised {
        let seen = self.registry.load().recognise(user_agent, Some(file));
        let family = match (&seen.vendor, &seen.model) {
            (Some(vendor), Some(model)) => format!("{vendor} {model}"),
            (Some(vendor), None) => vendor.to_string(),
            (None, _) => "unknown".to_owned(),
        };
        Recognised {
            kind: match seen.kind {
                vendor::FileKind::Personal => FileKind::Personal,
                vendor::FileKind::Common => FileKind::Common,
                vendor::FileKind::Upload | vendor::FileKind::Contact => FileKind::Upload,
                _ => FileKind::Other,
            },
            family: Arc::from(family),
            // Without a User-Agent that tells, whose form of name the file has decides about challenge and file.
            vendor: seen.vendor.or(seen.file_vendor),
            model: seen.model,
            firmware: seen.firmware,
            mac: seen.mac,
        }
    }

    fn scheme(&self, vendor: Option<&str>) -> http_auth::Scheme {
        let registry = self.registry.load();
        match vendor.and_then(|name| registry.vendor(name)).map(|vendor| vendor.auth) {
            Some(AuthScheme::DigestSha256) => http_auth::Scheme::Digest(http_auth::Algorithm::Sha256),
            Some(AuthScheme::Basic) => http_auth::Scheme::Basic,
            Some(AuthScheme::DigestMd5) | None => http_auth::Scheme::Digest(http_auth::Algorithm::Md5),
        }
    }

    fn policy(&self, instance: InstanceId, phone: Option<&Phone>, recognised: &Recognised) -> Policy {
        let settings = self.settings(instance, phone, recognised.vendor.as_deref(), recognised.model.as_deref());
        Policy {
            https_only: settings.text("provisioning_scheme") == "https",
            require_certificate: settings.bool("require_certificate"),
            first_contact: match phone {
                Some(phone) if phone.window.by_person => FirstContact::Allowed(None),
                _ => FirstContact::Refused,
            },
        }
    }

    fn shared_account(&self, instance: InstanceId) -> Option<Arc<Credentials>> {
        let settings = self.settings(instance, None, None, None);
        let (user, password) = shared_account(&self.store, instance, &settings)?;
        Some(Arc::new(Credentials { user, password, proven: None }))
    }

    fn render(
        &self,
        instance: &Instance,
        phone: Option<&Phone>,
        recognised: &Recognised,
        stage: Stage,
    ) -> Result<Option<Arc<File>>, String> {
        let known = learned(&self.store, instance.id, phone.map(|phone| phone.provider.as_str()));
        let base = |scheme| phone_base(instance, known.as_ref(), scheme);
        let http = base(Scheme::Http).or_else(|| base(Scheme::Https)).unwrap_or_default();
        let https = base(Scheme::Https).unwrap_or_else(|| http.clone());
        let layers = self.store.layers(instance.id);
        let recognition = Recognition {
            vendor: recognised.vendor.clone(),
            model: recognised.model.clone(),
            firmware: recognised.firmware.clone(),
            mac: recognised.mac,
            agent_mac: None,
            kind: match recognised.kind {
                FileKind::Personal => vendor::FileKind::Personal,
                FileKind::Common => vendor::FileKind::Common,
                FileKind::Upload => vendor::FileKind::Upload,
                FileKind::Other => vendor::FileKind::Other,
            },
            file_vendor: recognised.vendor.clone(),
        };
        let request = FileRequest {
            phone,
            recognition: &recognition,
            stage: match stage {
                Stage::Open | Stage::OpenSoon => render::Stage::Open,
                Stage::Personal => render::Stage::Personal,
            },
            phone_base: &http,
            https_base: &https,
            token: phone.map(|phone| phone.token.expose()),
            layers: &layers,
        };
        match self.renderer.file(&request) {
            Ok(file) => Ok(Some(file)),
            Err(RenderError::Kind(_) | RenderError::NoVendor) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}
