//! `hanse-bench`: what the SFU costs. In: a measurement's name. Out: a table, or JSON.
//!
//! `packet-path` never judges by wall-clock time: its figures are ratios to a floor that is measured in the same run, or
//! counts; `links` runs in virtual time, and its figures are the same everywhere. The others run a server beside many clients, and print figures beside their targets; exit code 1 when one is
//! missed. Their times need an idle machine.
//!
//! Where to look next: [`load`] for the clients, [`server`] for how the server is looked at.

mod churn;
#[path = "../../../focus/bench/src/figures.rs"]
mod figures;
mod idle;
mod joins;
mod links;
mod load;
mod packet_path;
mod server;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures the SFU")]
struct Arguments {
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand)]
enum Measurement {
    /// User-space cost of forwarding one packet, against the bare AEAD seal
    PacketPath(packet_path::Arguments),
    /// How long newcomers wait, and are waited for, while people come and go
    Joins(joins::Arguments),
    /// What participants cost who are only there
    Idle(idle::Arguments),
    /// What is noticed of bad links in whole calls, and what their estimation reaches, in virtual time
    Links(links::Arguments),
    /// Whether memory, descriptors and tasks stay as they are while people come and go for long
    Churn(churn::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().measurement {
        Measurement::PacketPath(arguments) => packet_path::run(&arguments),
        Measurement::Joins(arguments) => joins::run(&arguments),
        Measurement::Idle(arguments) => idle::run(&arguments),
        Measurement::Links(arguments) => links::run(&arguments),
        Measurement::Churn(arguments) => churn::run(&arguments),
    }
}
