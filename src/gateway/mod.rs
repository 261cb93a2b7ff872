//! The data plane. Read from top to bottom it is a request's trip.

// Host, path and method → API, stage, variant and route.
pub mod route;

// Credentials → who calls.
pub mod authorize;

// Usage plans: rate, burst and quota; route and stage throttles.
pub mod throttle;

// Whether a request, and the answer to it, is what its operation says.
pub mod validate;

// Which answers may be shared, under which key, for how long; one fetch per key.
pub mod cache;

// Parameter mapping between the client's request and the back end's.
pub mod transform;

// The back ends: targets, health, deadlines, retries; fixed answers.
pub mod integrate;

// Every answer that the gateway writes itself.
pub mod respond;

// A configuration, compiled: immutable, swapped as a whole.
pub mod snapshot;

// The conductor: Pingora's callbacks in the order in which Pingora calls them.
pub mod proxy;
