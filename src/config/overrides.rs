//! Environment variables that override what they name, so that several gateways run side by side.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::reader::{Place, Reader};
use super::value::BIND_HINT;
use super::{Backend, Settings};

/// Overrides the listeners' addresses: as many as there are listeners, separated by commas.
pub const LISTEN: &str = "DRAGOMAN_LISTEN";
/// Overrides the admin listener's address.
pub const ADMIN_LISTEN: &str = "DRAGOMAN_ADMIN_LISTEN";
/// Overrides the data directory.
pub const DATA_DIR: &str = "DRAGOMAN_DATA_DIR";

/// Applies the overrides that the environment has.
pub(super) fn apply(reader: &Reader<'_>, settings: &mut Settings) {
    if let Some(addresses) = addresses(reader, LISTEN) {
        override_listeners(reader, settings, &addresses);
    }
    if let Some(addresses) = addresses(reader, ADMIN_LISTEN) {
        match (settings.admin.as_mut(), addresses.as_slice()) {
            (Some(admin), [address]) => admin.address = *address,
            (None, _) => {}
            _ => reader.error(&Place::Variable(ADMIN_LISTEN), "there is one admin listener", BIND_HINT),
        }
    }
    if let Some(directory) = (reader.env)(DATA_DIR).filter(|directory| !directory.is_empty()) {
        settings.data_dir = Some(PathBuf::from(directory));
        settings.backends = Backend::of(settings);
    }
}

/// The place to which findings about an address point: the variable, where that overrides it.
pub(super) fn place(reader: &Reader<'_>, variable: &'static str, in_file: Place) -> Place {
    match (reader.env)(variable) {
        Some(_) => Place::Variable(variable),
        None => in_file,
    }
}

fn override_listeners(reader: &Reader<'_>, settings: &mut Settings, addresses: &[SocketAddr]) {
    if settings.listeners.is_empty() {
        // That nothing listens, or why, is told already.
        return;
    }
    if addresses.len() != settings.listeners.len() {
        reader.error(
            &Place::Variable(LISTEN),
            format!("it names {} of {} addresses to listen on", addresses.len(), settings.listeners.len()),
            "give one address for each listener, separated by commas",
        );
        return;
    }
    for (listener, address) in settings.listeners.iter_mut().zip(addresses) {
        listener.address = *address;
    }
}

fn addresses(reader: &Reader<'_>, variable: &'static str) -> Option<Vec<SocketAddr>> {
    let text = (reader.env)(variable)?;
    let parse = |part: &str| match part.trim().parse() {
        Ok(address) => Some(address),
        Err(_) => {
            let message = format!("{:?} is no address to listen on", part.trim());
            reader.error(&Place::Variable(variable), message, BIND_HINT);
            None
        }
    };
    text.split(',').map(parse).collect()
}
