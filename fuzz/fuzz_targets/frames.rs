#![no_main]

#[path = "../entries/frames.rs"]
mod frames;

libfuzzer_sys::fuzz_target!(|data: &[u8]| frames::enter(data));
