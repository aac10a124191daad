//! FIX tag=value.
