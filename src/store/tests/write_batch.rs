//! Batched background changes.

use super::*;

#[tokio::test]
async fn changes_nobody_waits_for_are_written_together_and_none_is_lost() {
    let fixture = Fixture::with_clock(Arc::new(SystemClock)).await;
    let store = &fixture.store;
    let mut phones = Vec::new();
    for index in 0..60 {
        phones.push(store.phones().create(fixture.phone(&format!("805ec00000{index:02}")), Vec::new()).await.unwrap());
    }
    let delivered = |round: u32| {
        move |phone: &mut Phone, events: &mut Vec<NewEvent>| {
            let etag = format!("\"{round}\"");
            phone.delivery = Some(Delivery { at: now(), revision: phone.revision, provisioning: round, etag });
            phone.firmware = Some(format!("108.86.0.{round}"));
            phone.request.fail(crate::phone::facet::RequestState::Rejected, "so", Some(now()), now());
            events.push(NewEvent::new("delivered", format!("round {round}")));
        }
    };
    // Two changes of each phone at once, the second right after the first. Every third phone also gets a new name.
    let mut waiting = Vec::new();
    for round in [1, 2] {
        for (index, phone) in phones.iter().enumerate() {
            let deliver = delivered(round);
            let change: DeferredChange = if index % 3 == 0 {
                Box::new(move |phone, events| {
                    deliver(phone, events);
                    phone.accounts[0].cn = format!("Name {round}");
                })
            } else {
                Box::new(deliver)
            };
            waiting.push(store.phones().change_later(phone.id, change));
        }
    }
    waiting.push(store.phones().change_later(PhoneId(999), Box::new(|_, _| unreachable!("nobody's"))));
    let mut answers = futures_util::future::join_all(waiting).await;
    assert!(matches!(answers.pop().unwrap(), Err(StoreError::NoPhone(PhoneId(999)))));
    assert!(answers.iter().all(Result::is_ok));
    let again = fixture.again().await;
    for (index, phone) in phones.iter().enumerate() {
        let record = store.phones().get(phone.id).unwrap();
        assert_eq!(record.delivery.as_ref().unwrap().provisioning, 2);
        assert_eq!(*record, *again.phones().get(phone.id).unwrap(), "what is in memory is on disk");
        assert_eq!(record.revision > phone.revision, index % 3 == 0);
        assert_eq!(store.phones().events(phone.id, 10).await.unwrap().len(), 2);
    }
    // Changes still queued when the gateway stops are written too.
    let last: Vec<_> =
        phones.iter().map(|phone| store.phones().change_later(phone.id, Box::new(delivered(3)))).collect();
    let (answers, _) = tokio::join!(futures_util::future::join_all(last), fixture.tasks.finish(Duration::from_secs(5)));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let third = fixture.again().await;
    assert!(
        phones.iter().all(|phone| third.phones().get(phone.id).unwrap().delivery.as_ref().unwrap().provisioning == 3)
    );
}
