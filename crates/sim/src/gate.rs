//! Named points at which a test can pause a simulator, to inspect or kill the gateway at exactly that moment.

use std::collections::HashMap;

use crate::board::{Board, NotInTime};

#[derive(Debug, Default)]
struct Rooms {
    armed: HashMap<String, Gate>,
    next_id: u64,
}

#[derive(Debug)]
struct Gate {
    id: u64,
    /// How many calls may still pass before the gate closes.
    let_through: usize,
    held: usize,
}

/// The gates of one simulator. An unarmed gate lets every call pass. Cheap to clone; all clones share the same state.
#[derive(Debug, Clone)]
pub struct Gates(Board<Rooms>);

impl Default for Gates {
    fn default() -> Self {
        Self(Board::new(Rooms::default()))
    }
}

impl Gates {
    /// Closes a gate: the next call is held until [`Gates::release`].
    pub fn arm(&self, name: &str) {
        self.arm_nth(name, 1);
    }

    /// Closes a gate for the `nth` call (counted from 1) and all later ones. Earlier calls pass.
    pub fn arm_nth(&self, name: &str, nth: usize) {
        self.0.change(|rooms| {
            rooms.next_id += 1;
            let gate = Gate { id: rooms.next_id, let_through: nth.saturating_sub(1), held: 0 };
            rooms.armed.insert(name.into(), gate);
        });
    }

    /// Waits until a call is held at the gate.
    pub async fn wait_until_held(&self, name: &str) -> Result<(), NotInTime> {
        self.0
            .wait(&format!("somebody at the gate '{name}'"), |rooms| {
                rooms.armed.get(name).filter(|gate| gate.held > 0).map(|_| ())
            })
            .await
    }

    /// How many calls are held at the gate.
    #[must_use]
    pub fn held(&self, name: &str) -> usize {
        self.0.read(|rooms| rooms.armed.get(name).map_or(0, |gate| gate.held))
    }

    /// Opens a gate permanently; held calls continue.
    pub fn release(&self, name: &str) {
        self.0.change(|rooms| rooms.armed.remove(name));
    }

    /// Called by the simulator: passes the gate, or waits until it is released.
    pub(super) async fn pass(&self, name: &str) {
        let closed = self.0.change(|rooms| {
            let gate = rooms.armed.get_mut(name)?;
            if gate.let_through > 0 {
                gate.let_through -= 1;
                return None;
            }
            gate.held += 1;
            Some(gate.id)
        });
        if let Some(id) = closed {
            self.0.changed_to(|rooms| rooms.armed.get(name).is_none_or(|gate| gate.id != id)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn a_gate_holds_the_nth_and_lets_go() {
        let gates = Gates::default();
        gates.pass("open").await;
        gates.arm_nth("door", 2);
        gates.pass("door").await;
        let (mine, theirs) = (gates.clone(), gates.clone());
        tokio::join!(async { mine.pass("door").await }, async {
            theirs.wait_until_held("door").await.unwrap();
            assert_eq!(theirs.held("door"), 1);
            theirs.release("door");
        });
        gates.pass("door").await;
    }
}
