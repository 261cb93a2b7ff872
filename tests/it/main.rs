//! The promises of the gateway, asked of the real binary over real sockets.
//!
//! One file a promise group; a test's name is the promise. Each test stands alone: a configuration, back ends that play
//! a script, an exchange and the answer. Ports are chosen by the system, nothing sleeps for a guessed time, and every
//! answer's fields are held against an allow-list, so nothing leaks unseen.

mod house;

mod acme;
mod admin;
mod backends;
mod caching;
mod canary;
mod certificates;
mod cli;
mod clock;
mod compression;
mod conformance;
mod cors;
mod credentials;
mod disks;
mod drain;
mod floods;
mod gateway_responses;
mod grpc;
mod honoring;
mod kills;
mod lanes;
mod limits;
mod openapi;
mod operators;
mod overload;
mod paths;
mod proxies;
mod refusals;
mod reload;
mod remapping;
mod routing;
mod secure;
mod smuggling;
mod startup;
mod streams;
mod supervised;
mod telemetry;
mod templates;
mod transformations;
mod upgrade;
mod validation;
