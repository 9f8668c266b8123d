//! The same tests with the real store, vendors, and templates.

use std::{sync::Arc, time::Duration};

use gangway_base::{
    clock::{Clock, ManualClock},
    tasks::Tasks,
};
use tokio::sync::mpsc;

use super::{
    super::{
        AppState, HttpDependencies,
        interfaces::{FileService, Records},
        phone_files::{
            file_service::RenderedFiles,
            record_service::RecordService,
            response::{RequestConditions, ResponseForm, form},
        },
        server::listeners::{ListenAddresses, listen},
    },
    support::{FILE, Teapot, Told, UA, instance},
};
use crate::{
    catalog::Registry,
    phone::{admission::tests::at, instance::Instances, public_url::PublicUrls, record::Phone},
    render::{Renderer, Stage},
    store::Store,
};

#[actix_web::test]
async fn a_yealink_phone_gets_its_file_from_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(at(10));
    let tasks = Tasks::new();
    let store = Store::open(directory.path(), Arc::new(clock.clone()), &tasks).await.unwrap();
    let mut tenant = instance();
    tenant.id = store.instance(&tenant.domain, &tenant.name).await.unwrap();
    let mut phone = Phone::sample();
    phone.instance = tenant.id;
    phone.window.open(clock.now(), 7);
    phone.device_config.received = Some(clock.now());
    let phone = store.phones().create(phone, Vec::new()).await.unwrap();

    let registry = Registry::load_shared(None).unwrap();
    let urls = Arc::new(PublicUrls::of("/example.com/gw", "https://gw.example.com".parse().unwrap()));
    let files = RenderedFiles {
        registry: registry.clone(),
        renderer: Arc::new(Renderer::new(registry, store.derive_key("etags"), 1 << 20, Arc::new(clock.clone()))),
        store: store.clone(),
        urls: Arc::new(move |_| urls.clone()),
    };
    let recognised = files.recognise(Some(UA), FILE);
    assert_eq!(&*recognised.family, "yealink T46U");
    let file = files.render(&tenant, Some(&phone), &recognised, Stage::Personal, None).unwrap().unwrap();
    assert_eq!(form(&RequestConditions::default(), &file, true), ResponseForm::Whole);
    let stored = RecordService(store.clone());
    assert!(stored.by_token(phone.token.expose()).is_some());

    let (sender, mut told) = mpsc::unbounded_channel();
    let deps = AppState::new(HttpDependencies {
        instances: Instances::new(vec![tenant]),
        records: Arc::new(stored),
        files: Arc::new(files),
        deliveries: Arc::new(Told(sender)),
        upgrade: Arc::new(Teapot),
        pages: Arc::new(Teapot),
        scripts: Arc::new(Teapot),
        clock: Arc::new(clock.clone()),
        tasks: tasks.clone(),
        proxies: crate::http::client_address::Proxies::new(vec!["127.0.0.1/32".parse().unwrap()]),
        subject_header: None,
        bootstraps: None,
        nonce_key: store.derive_key("http nonces"),
        passive: false,
        scanners: Arc::new(crate::http::auth::scan_detector::ScanDetector::new(&store.derive_key("decoys"))),
        unlisted_proxies: Arc::default(),
    })
    .unwrap();
    let addresses = ListenAddresses {
        http: vec!["127.0.0.1:0".to_owned()],
        https: Vec::new(),
        tls: None,
        timeouts: Default::default(),
        workers: 1,
        connections_per_worker: 10_000,
        shutdown: Duration::from_secs(1),
    };
    let listening = listen(&addresses, &deps).unwrap();
    let handle = listening.server.handle();
    tasks.spawn_local("server", async move {
        let _ = listening.server.await;
    });
    let url = format!("http://{}/example.com/gw/phone/{}/{FILE}", listening.http[0], phone.token.expose());
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new("curl")
            .args(["--silent", "--user-agent", UA, "--header", "X-Forwarded-Proto: https", &url])
            .output()
    })
    .await
    .unwrap()
    .expect("curl is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("#!version:1.0.0.1"), "{text}");
    assert!(text.contains("sample-password"), "the personal stage");

    assert_eq!(told.recv().await, Some((phone.id, None)));
    let record = store.phones().get(phone.id).unwrap();
    assert!(record.window.bound.is_some() && record.delivery.is_some());
    let kinds: Vec<String> =
        store.phones().events(phone.id, 10).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert!(kinds.iter().any(|kind| kind == "first-delivery") && kinds.iter().any(|kind| kind == "delivered"));
    handle.stop(false).await;
    assert_eq!(tasks.finish(Duration::from_secs(5)).await, 0);
}
