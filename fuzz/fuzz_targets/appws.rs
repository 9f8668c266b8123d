#![no_main]

#[path = "../entries/appws.rs"]
mod appws;

libfuzzer_sys::fuzz_target!(|data: &[u8]| appws::enter(data));
