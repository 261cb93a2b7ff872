#![no_main]
//! Nobody who is not trusted says whose a request is, and what is found stood in the field.

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use tollgate::base::{Fields, Network, Networks};
use tollgate::gateway::proxy::fuzzing::source;

fuzz_target!(|values: Vec<Vec<u8>>| {
    let list: Vec<_> = values.iter().map(|value| ("x-forwarded-for", &value[..])).collect();
    let fields = Fields::List(&list);
    let (proxy, stranger): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [192, 0, 2, 1].into());
    let trusted: Networks = ["10.0.0.0/8"].into_iter().filter_map(|text| Network::parse(text).ok()).collect();
    assert_eq!(source(&fields, stranger, &trusted), stranger);
    assert_eq!(source(&fields, proxy, &Networks::default()), proxy);
    let found = source(&fields, proxy, &trusted);
    // What a client puts to the left of all else changes nothing once an address was found that is not trusted.
    if !trusted.contains(found) {
        let claimed = [&[("x-forwarded-for", &b"203.0.113.9"[..])][..], &list].concat();
        assert_eq!(source(&Fields::List(&claimed), proxy, &trusted), found);
    }
});
