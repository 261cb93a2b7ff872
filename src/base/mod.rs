//! The words that all rooms share: time, units, one borrowed view of a request, and the closed list of refusals.
//!
//! Promises: nothing here knows a configuration, a socket or a phase; no item allocates unless its docs say so.

mod clock;
mod head;
mod ids;
mod nearest;
mod network;
mod path;
mod priority;
mod refusal;
mod request_id;
mod response_type;
mod text;
pub mod units;
mod violation;
mod wire;

pub use clock::{Clock, Now};
pub use head::{FieldSpan, FieldSpans, Fields, Head, Scheme, is_token, length_bit};
pub use ids::{RouteId, StageId, StageName, Variant};
pub use nearest::nearest;
pub use network::{Network, Networks};
pub use path::{PathFault, canonical_path, loose_path, spell};
pub use priority::stand_back;
pub use refusal::{Answer, Blame, LogDetail, RateFacts, Refusal};
pub use request_id::RequestId;
pub use response_type::ResponseType;
pub use text::{Ascii, base64, hex, is_plain, push_escaped, push_number};
pub use violation::{Place, Violation};
pub use wire::{push_line, push_number_line, push_status_line};
