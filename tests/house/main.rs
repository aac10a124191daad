//! The rules of the house, run as tests: which way imports point, and what a source file may be.
//!
//! The checkers are functions over text, so that each is first shown to find what it looks for.

mod layering;
mod rules;
mod source;
