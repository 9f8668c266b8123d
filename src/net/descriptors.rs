//! Divides the process's file descriptors. Every sysclient and every client connection needs one. The shares are
//! limits, so that neither uses up the descriptors that the other, the listeners, or the database need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The solution if there are too few.
pub const CURE: &str = "raise LimitNOFILE= in the systemd unit, or the hard limit of the shell (`ulimit -Hn`), and restart \
                        the gateway";

/// For the process itself: about 50 for standard streams, the database, and the runtimes of its threads, 20 for
/// concurrent resyncs of phones, the rest for files and name resolution.
const PROCESS: u64 = 80;
/// For the runtime of one HTTP worker.
const PER_WORKER: u64 = 6;
/// For an instance: connections to Devices and to the redirect services of three vendors.
const PER_INSTANCE: u64 = 5;
/// Minimum number of client connections: PBXs, a reverse proxy, and phones one after the other.
const CLIENTS_NEEDED: u64 = 64;
/// For an instance: app objects and open pages.
const CLIENTS_PER_INSTANCE: u64 = 8;
/// This many client connections have priority over sysclients, within two thirds of the divided descriptors.
const CLIENTS_FIRST: u64 = 16;
/// Maximum number of open client connections, because each needs memory as well.
const MOST_CLIENTS: u64 = 65_536;
/// Minimum and maximum share of the operations listener.
const OPERATORS: (u64, u64) = (4, 256);

/// The limits set by the system; [`u64::MAX`] = none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The limit in effect.
    pub soft: u64,
    /// The value up to which the process may raise it.
    pub hard: u64,
}

/// Why the limit could not be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit of file descriptors cannot be raised from {soft} to {hard}: {source}; {CURE}")]
pub struct RaiseError {
    soft: u64,
    hard: u64,
    source: rustix::io::Errno,
}

impl Limit {
    /// Returns the limits of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        Self { soft: current.unwrap_or(u64::MAX), hard: maximum.unwrap_or(u64::MAX) }
    }

    /// Raises the soft limit to the hard one. The usual soft limit of 1024 is for programs that use `select`.
    ///
    /// # Errors
    /// If the system rejects it.
    pub fn raise() -> Result<Self, RaiseError> {
        let Self { soft, hard } = Self::of_process();
        if soft < hard {
            let maximum = (hard != u64::MAX).then_some(hard);
            setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).map_err(|source| RaiseError {
                soft,
                hard,
                source,
            })?;
        }
        Ok(Self { soft: hard, hard })
    }
}

/// The parts of the process that need descriptors regardless of the number of phones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Threads that serve clients.
    pub workers: usize,
    /// Number of instances.
    pub instances: usize,
}

impl Machine {
    /// This computer, with one worker per core.
    #[must_use]
    pub fn here(instances: usize) -> Self {
        Self { workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get), instances }
    }

    fn reserve(self) -> u64 {
        PROCESS + PER_WORKER * count(self.workers) + PER_INSTANCE * count(self.instances)
    }

    fn clients_needed(self) -> u64 {
        CLIENTS_NEEDED + CLIENTS_PER_INSTANCE * count(self.instances)
    }

    /// Returns the limit that provides one sysclient per phone and enough client connections.
    #[must_use]
    pub fn need(self, phones: usize) -> u64 {
        // Clients get a third of the divided descriptors.
        let phones = count(phones);
        let shared = (phones + phones.div_ceil(2)).max(3 * self.clients_needed());
        // The operations listener gets a sixteenth.
        let operators = shared.div_ceil(15).clamp(OPERATORS.0, OPERATORS.1);
        self.reserve() + shared + operators + 2
    }
}

/// The shares of the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorShares {
    /// The total limit.
    pub limit: u64,
    /// Connections of phones, PBXs, and browsers.
    pub clients: usize,
    /// Connections to the operations listener.
    pub operators: usize,
    /// Sysclients.
    pub sysclients: usize,
    machine: Machine,
}

impl DescriptorShares {
    /// Divides `limit`. If it is far too low, every kind still gets a few, and the system then rejects some.
    #[must_use]
    pub fn of(limit: u64, machine: Machine) -> Self {
        let free = limit.saturating_sub(machine.reserve());
        let operators = (free / 16).clamp(OPERATORS.0, OPERATORS.1);
        let shared = free.saturating_sub(operators);
        let clients = (shared / 3).max(CLIENTS_FIRST.min(shared / 3 * 2)).clamp(8, MOST_CLIENTS);
        let sysclients = shared.saturating_sub(clients).max(1);
        let size = |share: u64| usize::try_from(share).unwrap_or(usize::MAX);
        Self { limit, clients: size(clients), operators: size(operators), sysclients: size(sysclients), machine }
    }

    /// Returns the maximum number of open connections per HTTP worker.
    #[must_use]
    pub fn clients_per_worker(&self) -> usize {
        (self.clients / self.machine.workers.max(1)).max(1)
    }

    /// Returns the limit needed for `phones` phones on this machine.
    #[must_use]
    pub fn need(&self, phones: usize) -> u64 {
        self.machine.need(phones)
    }

    /// Returns the shortage for `phones` phones, if there is one.
    #[must_use]
    pub fn lack(&self, phones: usize) -> Option<DescriptorShortage> {
        let need = self.need(phones);
        (self.limit < need).then_some(DescriptorShortage {
            limit: self.limit,
            need,
            phones,
            sysclients: self.sysclients,
        })
    }
}

/// A shortage of descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorShortage {
    /// The current limit.
    pub limit: u64,
    /// The required limit.
    pub need: u64,
    /// The number of phones it is required for.
    pub phones: usize,
    /// The number of phones that can be connected to Devices at once.
    pub sysclients: usize,
}

impl DescriptorShortage {
    /// Describes the problem, without the solution.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { limit, need, phones, sysclients } = self;
        format!(
            "the limit of file descriptors is {limit}, and {need} are needed for {phones} phones; {sysclients} phones at most \
             are connected with Devices at once, the others wait"
        )
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { workers: 2, instances: 1 };

    #[test]
    fn the_shares_and_the_reserve_are_never_more_than_there_is() {
        for limit in (110..5_000).chain([20_000, 524_288, 1 << 40, u64::MAX]) {
            let shares = DescriptorShares::of(limit, MACHINE);
            let sum = MACHINE.reserve() + count(shares.clients) + count(shares.operators) + count(shares.sysclients);
            assert!(sum <= limit, "{shares:?}");
            assert!(shares.clients_per_worker() * MACHINE.workers <= shares.clients, "{shares:?}");
        }
    }

    #[test]
    fn what_is_needed_is_enough_and_less_is_lacking() {
        for phones in [0, 1, 50, 580, 600, 10_000, 100_000] {
            for machine in [MACHINE, Machine { workers: 64, instances: 300 }] {
                let need = machine.need(phones);
                let shares = DescriptorShares::of(need, machine);
                assert!(shares.sysclients >= phones && shares.lack(phones).is_none(), "{phones}: {shares:?}");
                assert!(count(shares.clients) >= machine.clients_needed(), "{phones}: {shares:?}");
                let lack = DescriptorShares::of(need - 1, machine).lack(phones).unwrap();
                assert!(lack.message().contains(&need.to_string()), "{}", lack.message());
            }
        }
    }

    #[test]
    fn ten_thousand_phones_need_more_than_the_usual_soft_limit_and_less_than_the_usual_hard_one() {
        let need = MACHINE.need(10_000);
        assert!((15_000..20_000).contains(&need), "{need}");
        assert!(DescriptorShares::of(1024, MACHINE).lack(10_000).is_some());
        assert!(DescriptorShares::of(524_288, MACHINE).lack(10_000).is_none());
    }
}
