//! `hanse-participant`: takes part in a call as a person would, and says whom it has seen and heard.

// The futures of the Matrix SDK are deep.
#![recursion_limit = "256"]

use anyhow::{Context, Result};
use clap::Parser;
use hanse_participant::call::{Progress, take_part};
use hanse_participant::matrix::Session;
use hanse_participant::report::Report;
use hanse_participant::tls::Trust;
use matrix_sdk::ruma::OwnedRoomOrAliasId;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// Takes part in a call on Matrix as a person with Element does: signs in as a new device, joins the room's call, shows a test picture and
/// plays a test tone, both sealed, and opens what others send. Says at the end whom it has seen and heard, and what was missing.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where the homeserver is, as https://matrix.example.org
    #[arg(long)]
    homeserver: String,
    /// Name of the account, as alice or @alice:example.org
    #[arg(long)]
    user: String,
    /// File whose first line is the account's password
    #[arg(long)]
    password_file: PathBuf,
    /// The room with the call, by its id or alias; the account must be in it, or be allowed to join
    #[arg(long)]
    room: OwnedRoomOrAliasId,
    /// How long to stay, in seconds. Ctrl-C leaves earlier
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Exit code 1 unless so many others were seen and heard
    #[arg(long, default_value_t = 0)]
    people: usize,
    /// Further certificate authorities, in PEM
    #[arg(long)]
    ca_file: Vec<PathBuf>,
    /// What happens, line by line as JSON; the last line is the report
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).await {
        Ok(report) => {
            let met = report.met();
            show(&options, &report);
            if met >= options.people {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("hanse-participant: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<Report> {
    let began = Instant::now();
    let password = std::fs::read_to_string(&options.password_file)
        .with_context(|| format!("{} cannot be read", options.password_file.display()))?;
    let password = password.lines().next().unwrap_or_default();
    let trust = Trust::new(&options.ca_file)?;
    let (session, told) = Session::open(
        &options.homeserver,
        &options.user,
        password,
        &options.room,
        &trust,
    )
    .await?;
    say(
        options,
        &Progress::SignedIn {
            user: session.user.to_string(),
            device: session.device_id.clone(),
        },
    );
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let until = async {
        tokio::select! {
            () = sleep(Duration::from_secs(options.seconds)) => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let result = take_part(&session, told, &trust, began, until, |progress| {
        say(options, &progress)
    })
    .await;
    // The device goes, whatever became of the call.
    let closed = session.close().await.context("the device cannot be signed out");
    let report = result?;
    closed?;
    Ok(report)
}

fn say(options: &Options, progress: &Progress) {
    if options.json {
        println!("{}", serde_json::json!(progress));
        return;
    }
    match progress {
        Progress::SignedIn { user, device } => println!("Signed in as {user}, device {device}."),
        Progress::Connected => println!("In the call: media flows."),
        Progress::Met { user } => println!("{user} is seen and heard."),
    }
}

fn show(options: &Options, report: &Report) {
    if options.json {
        println!("{}", serde_json::json!({ "event": "report", "report": report }));
        return;
    }
    for person in &report.people {
        if let Some(trouble) = person.trouble() {
            println!("{}: {trouble}.", person.user);
        }
    }
    if report.people.is_empty() {
        println!("Nobody else was in the call.");
    }
    for lost in &report.lost {
        println!("Noticed: {lost}.");
    }
}
