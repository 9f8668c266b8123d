#![no_main]

#[path = "../entries/csv.rs"]
mod csv;

libfuzzer_sys::fuzz_target!(|data: &[u8]| csv::enter(data));
