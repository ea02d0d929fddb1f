//! Rego policies for lodekey-issuer: regorus, with what it finds only as it evaluates (calls of
//! functions that do not exist) found when a policy is loaded, and without what depends on anything
//! but the input.
//!
//! `policy` is the evaluator; `check`, `names` and `tree` refuse at load; `message` is the form of errors, and
//! `border` the C interface (lodekey_rego.h), which alone is unsafe.
#![deny(unsafe_code)]
#![warn(missing_docs)]

#[allow(unsafe_code)]
mod border;
mod check;
mod message;
mod names;
mod policy;
mod tree;

pub use policy::{Failure, Policy};
