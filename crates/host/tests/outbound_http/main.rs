//! Outgoing requests against real servers on loopback: what gets out, and everything that must not.

mod attacks;
mod bounds;
mod connections;
mod site;
mod tls;
