//! Between a decision and its write, the phone may be provisioned again, moved or removed. Then the decision about the
//! old record is not applied to the new one.

use super::bench::Bench;
use crate::{
    phone::{
        facet::{RedirectState, RegistrationState, UserObjectState},
        public_url::UrlError,
        record::Gone,
    },
    provision::{
        flow::{Action, FacetTask},
        steps, transitions,
    },
};

async fn in_service() -> Bench {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    bench.until("redirected", |phone| phone.redirect.state == RedirectState::Redirected).await;
    bench.fetch().await;
    bench.until("flags", |phone| phone.accounts[0].user_object.state == UserObjectState::Applied).await;
    bench.until("registered", |phone| phone.accounts[0].registration.state == RegistrationState::Registered).await;
    bench.settle().await;
    bench
}

#[tokio::test]
async fn what_was_decided_late_is_not_written_of_a_phone_in_service() {
    let bench = in_service().await;
    let before = bench.record();
    let events = bench.store.phones().events(before.id, 100).await.unwrap().len();
    let soon = bench.now().saturating_add(std::time::Duration::from_secs(10)).unwrap();
    for (concern, action) in [
        (FacetTask::Devices, Action::RecordNoDevices),
        (FacetTask::Devices, Action::RecordNoCredential),
        (FacetTask::Redirect, Action::RecordNotConfigured),
        (FacetTask::Redirect, Action::RecordNoUrl(UrlError::Unknown { provider: "yealink".into() })),
        (FacetTask::Redirect, Action::RecordRedirectUnavailable(soon)),
        (FacetTask::Redirect, Action::RecordServerRejected("The name is taken.".to_owned())),
        (FacetTask::Request, Action::MarkOverdue),
        (FacetTask::Presence(1), Action::DisableAccount),
        (FacetTask::Window, Action::CloseWindow),
        (FacetTask::Life, Action::Archive),
    ] {
        let what = format!("{action:?}");
        steps::note(&bench.provisioning.engine, before.id, concern, action).await.unwrap();
        assert_eq!(bench.record(), before, "{what}");
        assert_eq!(bench.store.phones().events(before.id, 100).await.unwrap().len(), events, "{what}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn an_account_that_went_to_another_user_is_not_withheld_from_that_one() {
    let bench = in_service().await;
    let gone = |phone: &mut crate::phone::record::Phone, events: &mut Vec<_>| {
        transitions::absent(phone, 1, Gone::User, bench.now(), events);
    };
    bench.store.phones().change(bench.record().id, gone).await.unwrap();
    bench.pass(8 * 86_400);
    drop(bench.request(bench.request_for("berta", "2")));
    bench.until("handed over", |phone| phone.accounts[0].username == "berta").await;

    let id = bench.record().id;
    steps::note(&bench.provisioning.engine, id, FacetTask::Presence(1), Action::DisableAccount).await.unwrap();
    steps::note(&bench.provisioning.engine, id, FacetTask::Request, Action::MarkOverdue).await.unwrap();

    let phone = bench.record();
    assert!(phone.accounts[0].withheld.is_none() && phone.accounts[0].is_served());
    assert!(phone.request.error.is_none(), "{:?}", phone.request);
    bench.stop().await;
}
