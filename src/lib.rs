//! Tollgate: an API gateway on Pingora.
//!
//! This list is the map: a room imports only rooms above it, and inside `gateway` the order is the
//! request's own trip. `docs/architecture.md` follows the same order.

// Words all rooms share: time, units, a borrowed request view, the closed list of refusals.
pub mod base;

// What the operator wrote: TOML files → plain typed values with their places, or every fault at once.
pub mod config;

// JSON Schema: whether a value is what a schema says, and what is wrong with one that is not.
pub mod schema;

// API definitions that others wrote: OpenAPI documents, every value with its place.
pub mod openapi;

// Mapping templates: Velocity and JSONPath as API Gateway speaks them, knowing nothing of HTTP.
pub mod template;

// Durable state: the embedded store of quota counters.
pub mod store;

// Facts of a request → metrics, access log line, trace fields.
pub mod telemetry;

// The data plane, in the order in which a request travels.
pub mod gateway;

// Releases: promotion of canaries, and what a configuration would change.
pub mod delivery;

// The operator's side: the admin API.
pub mod control;

// Sockets, runtimes, background tasks, signals, drain.
pub mod server;

// One file a command.
pub mod cli;
