//! Timeline entries written after a response. The gateway may crash before or after such a write, and only the entry
//! depends on it.

use std::sync::Arc;

use gangway_base::tasks::Tasks;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{
    super::phone_files::record_updates::RecordUpdates,
    support::{Memory, Told},
};
use crate::{
    base::failpoint::{Failpoint, Scenario, set_trap},
    phone::{
        admission::Reason,
        facet::RequestState,
        record::{Phone, PhoneId},
    },
};

/// Runs a gateway: the phone requests its file too early and presents a certificate.
async fn is_asked(memory: &Arc<Memory>, point: Option<Failpoint>) -> bool {
    let caught = set_trap(point.map(|point| (point, 0)));
    let (tell, mut told) = mpsc::unbounded_channel();
    let tasks = Tasks::new();
    let consequences = RecordUpdates::new(memory.clone(), Arc::new(Told(tell)), tasks.clone());
    let (phone, now) = (memory.phone(), Timestamp::from_second(1_000).unwrap());
    consequences.withheld(&phone, Reason::BeforeConfig, [192, 0, 2, 7].into(), now);
    consequences.certificate(&phone, "expired", || "It has expired.".to_owned(), now);
    let died = tokio::select! {
        biased;
        () = caught.notified() => true,
        _ = told.recv() => false,
    };
    let _ = set_trap(None);
    if !died {
        assert_eq!(tasks.finish(std::time::Duration::from_secs(10)).await, 0);
    }
    died
}

#[actix_web::test]
async fn whenever_it_dies_over_a_remark_it_is_made_once_more_and_nothing_else_is_changed() {
    for point in Failpoint::of(Scenario::Remarks) {
        let memory = Arc::new(Memory::default());
        let phone = Phone { id: PhoneId(7), ..Phone::sample() };
        let mut phone =
            Phone { request: crate::phone::facet::Facet::new(RequestState::NotYet, phone.created), ..phone };
        phone.delivery = None;
        memory.phones.lock().unwrap().insert(phone.id, Arc::new(phone));

        assert!(is_asked(&memory, Some(point)).await, "{point:?} is never reached");
        assert!(!is_asked(&memory, None).await);

        assert_eq!(memory.phone().request.state, RequestState::BeforeConfig, "{point:?}");
        let said = memory.happenings.lock().unwrap();
        let early = said.iter().filter(|event| event.kind == "too-early").count();
        assert_eq!(early, 1, "{point:?}: {said:?}");
        let shown = said.len() - early;
        assert!((1..=2).contains(&shown), "{point:?}: a certificate is judged again after a restart: {said:?}");
    }
}
