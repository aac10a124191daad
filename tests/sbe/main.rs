//! SBE against known answers: bytes and values that were made without this project's code, an independent decoder, and
//! a schema that is not iLink 3.
#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

mod every;
#[allow(dead_code, missing_docs)] // generated, and not all of it is used
mod foreign;
mod foreign_schema;
mod fuzz;
mod peer;
mod vectors;
