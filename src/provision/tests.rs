//! The engine and the intake on a manual clock, with PBX, fleet and redirect service in memory.

mod base;
mod bench;
mod comparison;
#[cfg(feature = "sim")]
#[cfg(debug_assertions)]
mod crash;
mod crowd;
mod engine;
#[cfg(feature = "sim")]
mod hard_times;
mod intake;
mod late;
mod life;
mod outage;
mod outside;
mod power_loss;
mod random;
mod restart;
