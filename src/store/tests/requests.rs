//! Requests of phones are in memory at once and on disk a little later.

use std::net::Ipv4Addr;

use super::*;

pub(super) fn note(instance: InstanceId, phone: Option<PhoneId>, file: &str) -> RequestNote {
    RequestNote {
        instance,
        phone,
        at: now(),
        address: Ipv4Addr::LOCALHOST.into(),
        user_agent: Some("ü".repeat(1000).into()),
        file: file.into(),
        outcome: "delivered",
    }
}

#[tokio::test]
async fn requests_are_known_at_once_and_on_disk_when_the_gateway_ends() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    for _ in 0..3 {
        fixture.store.requests().note(note(fixture.instance, Some(phone.id), "805ec0000001.cfg"));
    }
    let facts = fixture.store.requests().last(phone.id).unwrap();
    assert_eq!((facts.requests, facts.file.as_str()), (3, "805ec0000001.cfg"));
    assert!(facts.user_agent.as_ref().unwrap().len() <= 256);
    assert_eq!(fixture.again().await.requests().last(phone.id), None);
    assert_eq!(fixture.tasks.finish(Duration::from_secs(5)).await, 0);
    assert_eq!(fixture.again().await.requests().last(phone.id), Some(facts));
}

#[tokio::test]
async fn facts_that_could_not_be_written_wait_each_once() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let requests = &fixture.store.database.memory().requests;
    let seen = || fixture.store.requests().note(note(fixture.instance, Some(phone.id), "805ec0000001.cfg"));
    seen();
    let batch = requests.take_unwritten();
    assert_eq!(batch.iter().map(|(id, facts)| (*id, facts.requests)).collect::<Vec<_>>(), [(phone.id, 1)]);
    assert!(requests.take_unwritten().is_empty());
    seen();
    requests.put_back(&batch);
    let again = requests.take_unwritten();
    assert_eq!(again.iter().map(|(id, facts)| (*id, facts.requests)).collect::<Vec<_>>(), [(phone.id, 2)]);
}

#[tokio::test]
async fn unknown_devices_are_counted_and_leave_nothing() {
    let fixture = Fixture::new().await;
    for count in 0..10 {
        fixture.store.requests().note(note(fixture.instance, None, &count.to_string()));
    }
    let requests = &fixture.store.database.memory().requests;
    assert!(requests.take_unwritten().is_empty() && requests.is_empty());
}
