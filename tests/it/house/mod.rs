//! What the tests stand on.
//!
//! `Gateway` runs the binary with a configuration, `Origin` is a back end that plays a script, `Wire` speaks raw
//! HTTP/1.1 to either, `Streams` speaks HTTP/2, `Service` is a back end that does, `acme::Pebble` issues certificates, and
//! `eventually` waits for what happens in its own time.

pub mod acme;
mod disk;
pub mod frames;
mod gateway;
mod origin;
mod service;
mod streams;
pub mod tls;
mod wait;
mod wire;

pub use disk::Disk;
pub use gateway::{
    ADMIN_TOKEN, Folder, Gateway, Output, binary, find_object, kill_while_starting, tollgate, tollgate_in,
};
pub use origin::{Gate, Origin};
pub use service::Service;
pub use streams::Streams;
pub use wait::{DEADLINE, eventually, eventually_some};
pub use wire::{Answer, Request, Wire, delete, get, post, request};

/// API keys in the tests' configurations: long enough to be accepted.
pub const ALICE: &str = "alice-0123456789-0123456789";
pub const BOB: &str = "bob-0123456789-0123456789-bob";
