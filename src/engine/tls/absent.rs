//! TLS in a library that was built without: it cannot be had, so none of this is ever made.

use std::io;

use super::settings::{TlsClient, TlsConfigError, TlsServer};
use super::wire::Step;
use crate::engine::config::Destination;
use crate::engine::net::{LinkId, Network};

pub(in crate::engine) enum Dialler {}

pub(in crate::engine) enum Acceptor {}

pub(super) enum Line {}

/// # Errors
/// Always.
pub(in crate::engine) fn dialler(_: &TlsClient, _: &[Destination]) -> Result<Dialler, TlsConfigError> {
    Err(unavailable("connect.tls"))
}

/// # Errors
/// Always.
pub(in crate::engine) fn acceptor(_: &TlsServer) -> Result<Acceptor, TlsConfigError> {
    Err(unavailable("listen.tls"))
}

fn unavailable(key: &'static str) -> TlsConfigError {
    TlsConfigError {
        key,
        value: "given".to_owned(),
        text: "pinfix was built without TLS: build it with its feature `tls`".to_owned(),
    }
}

impl Line {
    pub(super) fn client(dialler: &Dialler, _: &Destination) -> io::Result<Self> {
        match *dialler {}
    }

    pub(super) fn server(acceptor: &Acceptor) -> io::Result<Self> {
        match *acceptor {}
    }

    pub(super) fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(super) fn shake(&mut self, _: &mut dyn Network, _: LinkId) -> io::Result<Step> {
        match *self {}
    }

    pub(super) fn receive(
        &mut self,
        _: &mut dyn Network,
        _: LinkId,
        _: &mut [u8],
    ) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn send(&mut self, _: &mut dyn Network, _: LinkId, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn flush(&mut self, _: &mut dyn Network, _: LinkId) -> io::Result<bool> {
        match *self {}
    }

    pub(super) fn owes(&self) -> bool {
        match *self {}
    }

    pub(super) fn finish(&mut self, _: &mut dyn Network, _: LinkId) -> io::Result<()> {
        match *self {}
    }
}

impl std::fmt::Debug for Dialler {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}
