//! What reads fields from the network here, for fuzz targets.

pub use super::origin::{
    Directives, Freshness, Part, Validators, Variance, Wishes, is_not_modified, located, part, tags,
};
