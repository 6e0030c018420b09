//! `hanse-participant`: takes part in a call as a person would, and says whom it has seen and heard.

// The futures of the Matrix SDK are deep.
#![recursion_limit = "256"]

use anyhow::{Context, Result, bail};
use clap::Parser;
use hanse_participant::call::{Progress, Wish, take_part};
use hanse_participant::matrix::{Access, Session};
use hanse_participant::mode::{Mode, ModeWish};
use hanse_participant::report::Report;
use hanse_participant::sfu::ice::Ice;
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
    #[arg(long, required_unless_present = "session_file", requires = "password_file")]
    user: Option<String>,
    /// File whose first line is the account's password
    #[arg(long, requires = "user")]
    password_file: Option<PathBuf>,
    /// Instead of both: a file with a fresh device that is signed in already, JSON with `user_id`, `device_id` and `access_token`
    #[arg(long, conflicts_with = "user")]
    session_file: Option<PathBuf>,
    /// The room with the call, by its id or alias; the account must be in it, or be allowed to join
    #[arg(long)]
    room: OwnedRoomOrAliasId,
    /// How long to stay, in seconds. Ctrl-C leaves earlier
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Exit code 1 unless so many others were seen and heard
    #[arg(long, default_value_t = 0)]
    people: usize,
    /// How to say that one is in the call: as those do who are there (auto), by the room's state, or by sticky events
    #[arg(long, value_enum, default_value_t)]
    mode: ModeWish,
    /// By which ways media may go
    #[arg(long, value_enum, default_value_t)]
    ice: Ice,
    /// Receive nothing of what others send
    #[arg(long, conflicts_with = "people")]
    send_only: bool,
    /// Further certificate authorities, in PEM
    #[arg(long)]
    ca_file: Vec<PathBuf>,
    /// What happens, line by line as JSON; the last line is the report
    #[arg(long)]
    json: bool,
}

/// Exit code of one that could not get into the call. 1: it saw and heard too few; 2: it does not understand its arguments.
const NOT_IN: u8 = 3;

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
            if options.json {
                println!(
                    "{}",
                    serde_json::json!({ "event": "failed", "reason": format!("{error:#}") })
                );
            }
            eprintln!("hanse-participant: {error:#}");
            ExitCode::from(NOT_IN)
        }
    }
}

async fn run(options: &Options) -> Result<Report> {
    let began = Instant::now();
    let access = access(options)?;
    let trust = Trust::new(&options.ca_file)?;
    let (mut session, told) = Session::open(&options.homeserver, access, &options.room, &trust).await?;
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
    let wish = Wish {
        mode: options.mode,
        ice: options.ice,
        send_only: options.send_only,
    };
    let say_progress = |progress| say(options, &progress);
    let result = take_part(&mut session, told, &trust, wish, began, until, say_progress).await;
    // The device goes, whatever became of the call.
    let closed = session.close().await.context("the device cannot be signed out");
    let report = result?;
    closed?;
    Ok(report)
}

fn access(options: &Options) -> Result<Access> {
    let read = |file: &PathBuf| {
        std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
    };
    match (&options.session_file, &options.user, &options.password_file) {
        (Some(file), _, _) => Access::session(&read(file)?),
        (None, Some(user), Some(file)) => {
            let text = read(file)?;
            Ok(Access::Password {
                user: user.clone(),
                password: text.lines().next().unwrap_or_default().to_owned(),
            })
        }
        _ => bail!("who it is say --user and --password-file, or --session-file"),
    }
}

fn say(options: &Options, progress: &Progress) {
    if options.json {
        println!("{}", serde_json::json!(progress));
        return;
    }
    match progress {
        Progress::SignedIn { user, device } => println!("Signed in as {user}, device {device}."),
        Progress::Joined {
            mode: Mode::Compatibility,
        } => println!("Joined by the room's state."),
        Progress::Joined { mode: Mode::Matrix20 } => println!("Joined by a sticky event."),
        Progress::Connected => println!("In the call: media flows."),
        Progress::Met { user } => println!("{user} is seen and heard."),
    }
}

fn show(options: &Options, report: &Report) {
    if options.json {
        let people = report.people.iter().filter(|_| !options.send_only);
        let troubles = people.filter_map(|person| {
            person
                .trouble()
                .map(|trouble| serde_json::json!({ "user": person.user, "trouble": trouble }))
        });
        let troubles: Vec<_> = troubles.collect();
        println!(
            "{}",
            serde_json::json!({ "event": "report", "report": report, "troubles": troubles })
        );
        return;
    }
    // Whoever did not want to hear anybody misses nothing.
    for person in report.people.iter().filter(|_| !options.send_only) {
        if let Some(trouble) = person.trouble() {
            println!("{}: {trouble}.", person.user);
        }
    }
    if report.people.is_empty() && !options.send_only {
        println!("Nobody else was in the call.");
    }
    if report.sealed_memberships > 0 {
        println!(
            "{} in the call cannot be seen: they joined in the mode matrix_2_0 before they knew this device, and have to join again.",
            report.sealed_memberships
        );
    }
    for lost in &report.lost {
        println!("Noticed: {lost}.");
    }
}
