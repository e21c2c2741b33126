//! The program as a process: killed without warning, restarted, stopped in order.

mod infer;
mod schedulers;
mod servers;
mod studio;
mod workers;
