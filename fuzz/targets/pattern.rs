//! See `kubewright_fuzz::pattern`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kubewright_fuzz::pattern(data));
