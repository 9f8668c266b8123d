//! Lets a command wait until the serving process has loaded its change. The command writes the change first, then a
//! fact that names the number of the change. The serving process deletes the fact once its memory contains the phone
//! with that number or a newer one. Therefore the order in which facts and phones reach its memory does not matter.

use gangway_base::tasks::Tasks;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    base::failpoint::{Failpoint, failpoint},
    phone::{
        instance::InstanceId,
        record::{Phone, PhoneId},
    },
    store::{Store, StoreError},
};

const PREFIX: &str = "awaited.";

/// A request for an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    instance: InstanceId,
    fact: String,
}

impl Acknowledgement {
    /// Asks the serving process to acknowledge the last change of this phone that `store` knows.
    ///
    /// # Errors
    /// When the store cannot write the request.
    pub async fn request(store: &Store, phone: &Phone) -> Result<Self, StoreError> {
        let change = store.phones().change_number(phone.id).unwrap_or_default();
        let request = Self { instance: phone.instance, fact: format!("{PREFIX}{}.{change}", phone.id.0) };
        store.set_fact(request.instance, &request.fact, Some("1")).await?;
        Ok(request)
    }

    /// Whether the acknowledgement has arrived.
    #[must_use]
    pub fn has_arrived(&self, store: &Store) -> bool {
        store.fact(self.instance, &self.fact).is_none()
    }

    /// Withdraws the request.
    ///
    /// # Errors
    /// When the store cannot write the change.
    pub async fn cancel(self, store: &Store) -> Result<(), StoreError> {
        store.set_fact(self.instance, &self.fact, None).await
    }
}

/// Acknowledges the requests of commands. Runs until the gateway stops.
pub async fn run(store: Store, tasks: Tasks) {
    let (mut phones, mut facts) = (store.phones().changes(), store.facts_changes());
    loop {
        // Marked as seen before the facts are read: a fact that arrives in the meantime wakes this task again.
        facts.borrow_and_update();
        let mut open = Vec::new();
        for (instance, fact, _) in store.facts_beginning(PREFIX) {
            match is_accepted(&store, &fact) {
                true => acknowledge(&store, instance, &fact).await,
                false => open.push(fact),
            }
        }
        loop {
            let changed = tokio::select! {
                changed = facts.changed() => changed.is_ok(),
                changed = phones.recv() => match changed {
                    Err(RecvError::Closed) => false,
                    Ok(_) | Err(RecvError::Lagged(_)) if !open.iter().any(|fact| is_accepted(&store, fact)) => continue,
                    Ok(_) | Err(RecvError::Lagged(_)) => true,
                },
                () = tasks.stopping() => false,
            };
            if !changed {
                return;
            }
            break;
        }
    }
}

/// Whether memory contains the change that the fact names. A fact in another form is from an earlier version, whose
/// command is gone.
fn is_accepted(store: &Store, fact: &str) -> bool {
    let named = fact.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'));
    let Some((Ok(phone), Ok(change))) = named.map(|(phone, change)| (phone.parse(), change.parse::<i64>())) else {
        return true;
    };
    store.phones().change_number(PhoneId(phone)).is_some_and(|known| known >= change)
}

async fn acknowledge(store: &Store, instance: InstanceId, fact: &str) {
    failpoint(Failpoint::AwaitedSeen).await;
    if let Err(error) = store.set_fact(instance, fact, None).await {
        tracing::error!(fact, %error, "a waiting command cannot be answered");
    }
    failpoint(Failpoint::AwaitedTold).await;
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use gangway_base::clock::{Clock, SystemClock};

    use super::*;
    use crate::{
        phone::record::FirstContact,
        provision::{commands, sample},
    };

    /// The gateway writes to the same record (a rejection, a delivery) before, during and after the command's change.
    #[tokio::test]
    async fn a_command_is_acknowledged_while_the_gateway_writes_too() {
        let (dir, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
        let open = async || Store::open(dir.path(), Arc::new(SystemClock), &tasks).await.unwrap();
        let serving = open().await;
        let mut phone = sample::phone(SystemClock.now());
        phone.instance = serving.instance("example.com", "gangway").await.unwrap();
        let phone = serving.phones().create(phone, Vec::new()).await.unwrap();
        tasks.spawn("acknowledgement", run(serving.clone(), tasks.clone()));
        let command = open().await;
        for round in 0..9 {
            commands::allow(&command, phone.id, FirstContact::Refused, SystemClock.now()).await.unwrap();
            let refused = async {
                serving.phones().change(phone.id, |phone, _| phone.firmware = Some(round.to_string())).await.unwrap();
            };
            let request = Acknowledgement::request(&command, &phone);
            let request = match round % 3 {
                0 => {
                    refused.await;
                    request.await
                }
                1 => tokio::join!(request, refused).0,
                _ => {
                    let request = request.await;
                    refused.await;
                    request
                }
            };
            let request = request.unwrap();
            let come = async {
                while !request.has_arrived(&command) {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), come).await.unwrap_or_else(|_| panic!("round {round}"));
            assert!(serving.phones().change_number(phone.id) >= command.phones().change_number(phone.id));
        }
        assert!(serving.facts_beginning(PREFIX).is_empty());
    }

    #[tokio::test]
    async fn what_a_former_version_left_is_cleared_and_what_is_not_taken_over_waits() {
        let (dir, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
        let store = Store::open(dir.path(), Arc::new(SystemClock), &tasks).await.unwrap();
        let mut phone = sample::phone(SystemClock.now());
        phone.instance = store.instance("example.com", "gangway").await.unwrap();
        let phone = store.phones().create(phone, Vec::new()).await.unwrap();
        let ahead = store.phones().change_number(phone.id).unwrap() + 1;
        store.set_fact(phone.instance, "awaited.805ec0123456", Some("1")).await.unwrap();
        store.set_fact(phone.instance, &format!("{PREFIX}{}.{ahead}", phone.id.0), Some("1")).await.unwrap();
        tasks.spawn("acknowledgement", run(store.clone(), tasks.clone()));
        let left = |count: usize| {
            let store = store.clone();
            tokio::time::timeout(Duration::from_secs(60), async move {
                while store.facts_beginning(PREFIX).len() != count {
                    tokio::task::yield_now().await;
                }
            })
        };
        left(1).await.unwrap();
        store.phones().change(phone.id, |phone, _| phone.firmware = Some("1".into())).await.unwrap();
        left(0).await.unwrap();
    }
}
