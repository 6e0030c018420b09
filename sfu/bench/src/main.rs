//! `hanse-bench`: what the SFU costs. In: a measurement's name. Out: a table, or JSON.
//!
//! It never judges by wall-clock time: figures are ratios to a floor that is measured in the same run, or counts.

mod packet_path;

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
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().measurement {
        Measurement::PacketPath(arguments) => packet_path::run(&arguments),
    }
}
