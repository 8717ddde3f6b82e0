//! Proves what the program promises, over real sockets and against the real binary.

mod support;

mod alerts;
mod backend_schema;
mod bodies;
mod console;
mod dialect_docs;
mod dialects_front;
mod front_examples;
mod leaks;
mod legacy_backends;
mod legacy_packs;
mod legacy_servers;
mod load_balancer;
mod metrics;
mod own_packs;
mod proxy_protocol;
mod real_clients;
mod redis_topologies;
mod reload;
mod replay_stores;
mod restarts;
mod shared_example;
mod shared_replay;
mod shared_secrets;
mod shared_throttle;
mod signatures;
mod steady_load;
mod systemd;
mod tls_listeners;
mod token_stores;
mod tour;
mod upgrade;
mod upstream_faults;
mod window_stores;
mod windows_away;
