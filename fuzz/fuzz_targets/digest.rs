#![no_main]

#[path = "../entries/digest.rs"]
mod digest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| digest::enter(data));
