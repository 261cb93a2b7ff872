//! The command line: one file a command.
//!
//! In: arguments. Out: what people read on stdout, what went wrong on stderr, and an exit code.

/// `demo-backend`: a small server to put behind a gateway.
pub mod demo;
