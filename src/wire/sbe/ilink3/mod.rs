//! The messages of CME iLink 3.
