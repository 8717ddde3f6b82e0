//! Dragoman: a reverse proxy that lets clients of any supported account dialect use any
//! user-account backend.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod account;
pub mod backend;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dialect;
pub mod gateway;
pub mod guard;
pub mod handover;
mod hexadecimal;
pub mod http_text;
pub mod json;
pub mod observe;
pub mod problem_details;
pub mod query;
pub mod region;
pub mod seal;
pub mod server;
pub mod sign;
pub mod store;
pub mod upstream;
