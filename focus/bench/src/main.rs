//! `hanse-focus-bench`: what the focus costs. In: nothing, or the folder of PostgreSQL's programs. Out: figures beside their
//! targets, as a table or as JSON; exit code 1 when a target is missed.
//!
//! Homeservers and the SFU are stand-ins that answer at once, so what is measured is the focus itself: its HTTP, its
//! tables, its signatures, its store. What takes a process of its own (memory, a restart, a kill) gets one: this executable
//! starts itself.
//!
//! Where to look next: `tokens.rs` for requests, `leaves.rs` for delayed leaves, `child.rs` for what the processes of its own do.

mod child;
mod client;
mod figures;
mod leaves;
mod postgres;
mod stand_ins;
mod tokens;
mod usage;

use clap::Parser;
use figures::Figures;
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "Measures the focus")]
struct Arguments {
    /// Print a JSON list instead of a table
    #[arg(long)]
    json: bool,
    /// Folder of PostgreSQL's programs (initdb and others); without it, SQLite alone is measured
    #[arg(long, value_name = "FOLDER")]
    postgresql: Option<PathBuf>,
    /// Measure this part alone
    #[arg(long, value_enum)]
    only: Option<Part>,
    #[command(subcommand)]
    child: Option<child::Child>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Requests for tokens
    Tokens,
    /// Delayed leaves
    Leaves,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(child) = &arguments.child {
        return child.run();
    }
    let mut figures = Figures::default();
    let wanted = |part: Part| arguments.only.is_none_or(|only| only == part);
    if wanted(Part::Tokens) {
        tokens::measure(&mut figures)?;
    }
    if wanted(Part::Leaves) {
        leaves::measure(&mut figures, arguments.postgresql.as_deref())?;
    }
    figures.print(arguments.json)
}
