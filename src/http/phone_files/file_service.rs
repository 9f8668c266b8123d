//! Implements the file interface of the listeners: vendors, settings, and rendered files.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use gangway_wire::http_auth::{Algorithm, Scheme};

use crate::{
    catalog,
    http::interfaces::{File, FileService, Recognised},
    phone::{
        admission::Policy,
        instance::{Instance, InstanceId},
        public_url,
        record::{Credentials, FirstContact, Phone},
    },
    provision::{PublicUrlsOf, bootstrap_account::shared_account},
    render::{FileRequest, Renderer, Stage},
    settings::{Defaults, Lookup, PhoneCategory},
    store::Store,
};

/// [`FileService`] based on the registry, the renderer, and the store.
pub struct RenderedFiles {
    /// The vendors.
    pub registry: catalog::SharedRegistry,
    /// The renderer.
    pub renderer: Arc<Renderer>,
    /// The settings.
    pub store: Store,
    /// The URLs under which phones reach an instance.
    pub urls: PublicUrlsOf,
}

impl FileService for RenderedFiles {
    fn revision(&self, instance: InstanceId) -> u64 {
        let mut hasher = DefaultHasher::new();
        let layers = self.store.settings().layers(instance);
        (self.registry.load().revision(), layers.revision(), self.renderer.today(), (self.urls)(instance))
            .hash(&mut hasher);
        hasher.finish()
    }

    fn recognise(&self, user_agent: Option<&str>, file: &str) -> Recognised {
        let whole = self.registry.load().recognise(user_agent, Some(file));
        let told = user_agent.is_some();
        let part = |name: &Option<Arc<str>>| name.as_deref().filter(|_| told).unwrap_or_default().to_owned();
        let family = format!("{} {}", part(&whole.vendor), part(&whole.model)).trim().into();
        Recognised {
            vendor: whole.file_vendor.clone().or_else(|| whole.vendor.clone()),
            model: whole.model.clone(),
            firmware: whole.firmware.clone(),
            mac: whole.mac,
            kind: whole.kind,
            family,
            whole,
        }
    }

    fn scheme(&self, name: Option<&str>) -> Scheme {
        let vendor = name.and_then(|name| self.registry.load().vendor(name).map(|vendor| vendor.auth));
        vendor.unwrap_or(Scheme::Digest(Algorithm::Md5))
    }

    fn policy(&self, instance: InstanceId, phone: Option<&Phone>, recognised: &Recognised) -> Policy {
        let vendor = phone.map_or(recognised.vendor.as_deref().unwrap_or_default(), |phone| &phone.vendor);
        let lookup = Lookup {
            vendor: Some(vendor).filter(|name| !name.is_empty()),
            model: phone.and_then(|phone| phone.model.as_deref()).or(recognised.model.as_deref()),
            category: phone.and_then(PhoneCategory::of),
            mac: phone.map(|phone| phone.mac),
            defaults: Defaults::Table,
        };
        let devices = phone.map(|phone| &phone.device_config);
        let names = ["provisioning_scheme", "require_certificate"];
        let settings = self.store.settings().layers(instance).effective_of(&names, &lookup, devices);
        Policy {
            https_only: settings.scheme() == public_url::Scheme::Https,
            clear_passwords: self.scheme(recognised.vendor.as_deref()) == Scheme::Basic,
            require_certificate: settings.bool("require_certificate"),
            first_contact: phone.map_or(FirstContact::Refused, |phone| phone.window.first_contact),
        }
    }

    fn shared_account(&self, instance: InstanceId) -> Option<Arc<Credentials>> {
        let names = ["provisioning_user", "provisioning_password"];
        let settings = self.store.settings().layers(instance).effective_of(&names, &Lookup::instance(), None);
        let (user, password) = shared_account(&self.store, instance, &settings)?;
        Some(Arc::new(Credentials { user, password, proven: None }))
    }

    fn render(
        &self,
        instance: &Instance,
        phone: Option<&Phone>,
        recognised: &Recognised,
        stage: Stage,
        token: Option<&str>,
    ) -> Result<Option<Arc<File>>, String> {
        let urls = (self.urls)(instance.id);
        let layers = self.store.settings().layers(instance.id);
        let request = FileRequest {
            phone,
            recognition: &recognised.whole,
            stage,
            urls: &urls,
            token: token.filter(|_| stage != Stage::Personal),
            layers: &layers,
        };
        match self.renderer.file(&request) {
            Ok(file) => Ok(Some(file)),
            Err(crate::render::RenderError::NoVendor | crate::render::RenderError::Kind(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}
