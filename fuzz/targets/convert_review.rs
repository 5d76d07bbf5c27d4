//! See `kubewright_fuzz::convert_review`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kubewright_fuzz::convert_review(data));
