//! What the operator wrote: TOML files → plain typed values that remember where they were written.
//!
//! In: a main file, what it includes, the environment for `${env:…}` and files for `${file:…}`.
//! Out: a [`Config`], or every fault of every file at once.
//! Promises: unknown keys are refused with the nearest known one; a bare number is no duration; a secret is
//! never echoed. Values are checked here by themselves; what they mean together is checked where they are
//! compiled, with the [`Span`]s kept here. The types stop at `compile`: no phase reads them.
//! Cost: a file of ten thousand routes and ten thousand keys is read in some 150 ms.

mod acme;
mod admin;
mod api;
mod api_key;
mod cache;
mod client_certificate;
mod cors;
mod definition;
mod describe;
mod domain;
mod draft;
mod fault;
mod footprint;
mod gateway_response;
mod include;
mod integration;
mod limits;
mod listen_tls;
mod load;
mod name;
mod operation;
mod parameter;
mod read;
mod reference;
mod render;
mod route;
mod scalar;
mod secret;
mod server;
mod source;
mod stage;
mod state;
mod target;
mod telemetry;
mod template_limits;
mod throttle;
mod transformation;
mod uri;
mod usage_plan;

#[cfg(test)]
mod tests;

pub use acme::{Acme, AcmeCertificate};
pub use admin::{Admin, AdminToken};
pub use api::{Api, BasePath, ErrorStyle};
pub use api_key::{ApiKey, KeyDigest, digest};
pub use cache::{Invalidation, KeyPart, OnUnauthorized, RouteCache, StageCache};
pub use client_certificate::ClientCertificate;
pub use cors::Cors;
pub use definition::{About, Definition, Dialect, Models, RequestValidation, ResponseValidation, Unserved};
pub use describe::{API_KEYS, describe_api_key};
pub use domain::{Domain, Mapping};
pub use fault::{Fault, Faults};
pub use footprint::Footprint;
pub use gateway_response::{GatewayResponse, ResponseHeaderSource, ResponseType};
pub use integration::{
    HttpIntegration, Integration, IntegrationKind, IntegrationType, MockAnswer, UnservedIntegration,
};
pub use limits::{FIELDS_MAX, Limits};
pub use listen_tls::{Certificate, ClientAuth, ListenTls, TlsVersion};
pub use load::{explain, load, load_with, parse, parse_with};
pub use operation::{MethodResponse, Operation, Parameter, ParameterEncoding, ParameterPlace, Validator};
pub use parameter::{ParameterMapping, ParameterSource, ParameterTarget, is_context_variable, is_unmappable};
pub use reference::Variables;
pub use route::{Method, Route, find_path_problem, path_parameters as find_path_parameters};
pub use secret::conceal_secrets;
pub use server::{Listen, Server};
pub use source::{Located, Place, Sources, Span};
pub use stage::{Canary, Stage, Sticky};
pub use state::State;
pub use target::{Balance, Ejection, HealthCheck, ProtocolVersion, Target, UpstreamTls};
pub use telemetry::{AccessLog, LogDestination, LogFormat, Telemetry};
pub use template_limits::TemplateLimits;
pub use throttle::Throttle;
pub use transformation::{AnswerSource, ContentHandling, IntegrationResponse, Passthrough, Transformation};
pub use usage_plan::{Period, Quota, UsagePlan};

use indexmap::IndexMap;

/// Everything that a main file and what it includes say. Maps keep the order in which things were written.
pub struct Config {
    pub server: Server,
    pub acme: Acme,
    pub admin: Admin,
    pub state: State,
    pub telemetry: Telemetry,
    pub apis: IndexMap<String, Api>,
    pub usage_plans: IndexMap<String, UsagePlan>,
    pub api_keys: IndexMap<String, ApiKey>,
    pub domains: IndexMap<String, Domain>,
    /// The texts that the spans point into.
    pub sources: Sources,
}

/// Without its secrets.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Config {:#}", self.describe())
    }
}
