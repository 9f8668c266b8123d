//! The engine and the intake on a manual clock, with PBX, fleet and redirect service in memory.

mod base;
mod bench;
mod comparison;
mod engine;
mod intake;
mod random;
mod restart;
