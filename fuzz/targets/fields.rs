//! See `kubewright_fuzz::fields`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kubewright_fuzz::fields(data));
