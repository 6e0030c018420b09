//! A real call: two participants without a screen, sealed, through focus and SFU, as people with Element have it.

use super::accounts::{Device, Refused};
use super::sentence::{Check, Said, Sentence, green, grey, red};
use anyhow::{Context, Result};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long the two have until they see and hear each other.
const CALL_MAX: Duration = Duration::from_secs(12);

/// How long they have to leave and to report.
const LEAVE_MAX: Duration = Duration::from_secs(4);

/// Bytes of complaints that are kept.
const COMPLAINT_BYTES_MAX: u64 = 4 * 1024;

static GOOD: Sentence = green(
    "call-good",
    "two participants saw and heard each other, sealed, after {0} s",
    "zwei Teilnehmer haben einander gesehen und gehört, versiegelt, nach {0} s",
);
static NOT_SEALED: Sentence = red(
    "call-not-sealed",
    "two participants saw and heard each other, and the call was not sealed: the doctor's room has lost its encryption; have `@hanse_doctor_a` leave it, and ask again",
    "zwei Teilnehmer haben einander gesehen und gehört, und das Gespräch war nicht versiegelt: der Raum des Doktors hat seine Verschlüsselung verloren; lassen Sie `@hanse_doctor_a` ihn verlassen und fragen Sie noch einmal",
    "",
);
static NOT_IN: Sentence = red(
    "call-not-in",
    "{0} did not get into the call: {1}",
    "{0} kam nicht in das Gespräch: {1}",
    "Behind the colon are the participant's own words, with those of the homeserver, the focus or the SFU that refused. `hanse run`'s log has \
     a line about it with a reason, which [Operation](operation.md) explains.",
);
static NOT_MET: Sentence = red(
    "call-not-met",
    "both are in the call, and {0} does not see and hear {1}: {2}",
    "beide sind im Gespräch, und {0} sieht und hört {1} nicht: {2}",
    "[A participant without a screen](participant.md) says where to look for each of these words.",
);
static NO_USERS: Sentence = red(
    "call-no-users",
    "the homeserver did not {0} ({1}): correct that, or give the doctor an account of yours with --account",
    "der Homeserver wollte nicht {0} ({1}): korrigieren Sie das, oder geben Sie dem Doktor mit --account ein eigenes Konto",
    "The doctor makes two users in the namespace that the registration reserves, `@hanse_doctor_a` and `@hanse_doctor_b`, and signs them in with \
     Hanse's token.",
);
static NO_PARTICIPANT: Sentence = grey(
    "call-no-participant",
    "not tried: {0}; install `hanse-participant` beside `hanse`, or name it with --participant",
    "nicht versucht: {0}; installieren Sie `hanse-participant` neben `hanse`, oder nennen Sie es mit --participant",
);
static NOT_WANTED: Sentence = grey(
    "call-not-wanted",
    "not tried: --no-call",
    "nicht versucht: --no-call",
);

/// See the module's page.
pub static CHECK: Check = Check {
    id: "call",
    en: "sealed call",
    de: "versiegeltes Gespräch",
    about: "Two `hanse-participant` call each other in a room of the doctor's own: log-in, membership, keys by Olm, focus, SFU, sealed picture and \
            tone both ways.",
    sentences: &[
        &GOOD,
        &NOT_SEALED,
        &NOT_IN,
        &NOT_MET,
        &NO_USERS,
        &NO_PARTICIPANT,
        &NOT_WANTED,
    ],
};

/// That the administrator does not want one.
pub fn not_wanted() -> Said {
    NOT_WANTED.plain()
}

/// A folder that only we may read, gone with this value.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("hanse-doctor-{}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Scratch(folder))
    }

    /// Writes a file that only we may read.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What became of the call.
pub enum Outcome {
    /// Users or room could not be made.
    NoUsers(Refused),
    /// The executable cannot be started.
    NoParticipant(String),
    /// All began.
    Held {
        /// The two who are to meet.
        pair: Box<[Party; 2]>,
        /// The one who goes by a relay alone.
        relayed: Option<Party>,
    },
}

/// What one of the two says.
#[derive(Clone, Debug, Default)]
pub struct Party {
    /// The Matrix id.
    pub user: String,
    /// Whether the others knew that it is there.
    pub is_joined: bool,
    /// Whether media flowed.
    pub is_connected: bool,
    /// After how long it saw and heard the other one.
    pub met: Option<Duration>,
    /// The report's word about the other one.
    pub trouble: Option<String>,
    /// How the TURN server was reached, if there was one in between: `udp`, `tcp` or `tls`.
    pub turn: Option<String>,
    /// Whether the call was sealed.
    pub is_encrypted: bool,
    /// What it wrote to standard error.
    pub complaint: String,
}

impl Party {
    /// Whether media went its way.
    pub fn has_media(&self) -> bool {
        self.is_connected || self.met.is_some()
    }
}

/// Who calls, where, and with whose certificates.
pub struct Plan<'a> {
    /// The executable.
    pub participant: &'a Path,
    /// For the files of both.
    pub scratch: &'a Scratch,
    /// Certificate authorities besides the system's.
    pub authorities: Option<&'a Path>,
    /// The room.
    pub room: &'a str,
    /// The two who are to meet.
    pub devices: [&'a Device; 2],
    /// One more, who goes by a relay alone, and need only get media through.
    pub relayed: Option<&'a Device>,
    /// By which way the media of each goes (`--ice`).
    pub ways: [&'static str; 2],
}

/// Has them call each other.
pub async fn hold(plan: &Plan<'_>) -> Outcome {
    let began = Instant::now();
    let start = |device: &Device, way: &str| -> Result<Child> {
        let session = plan
            .scratch
            .write(&format!("{}.json", device.device_id), &device.session_file())?;
        let mut command = Command::new(plan.participant);
        command
            .arg("--homeserver")
            .arg(&device.homeserver_url)
            .arg("--session-file")
            .arg(session);
        command.args(["--room", plan.room, "--ice", way, "--json", "--seconds", "30"]);
        if let Some(file) = plan.authorities {
            command.arg("--ca-file").arg(file);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
            .spawn()
            .with_context(|| format!("{} cannot be started", plan.participant.display()))
    };
    let [one, other] = plan.devices;
    let [way, other_way] = plan.ways;
    let started = || -> Result<_> {
        let a = Running::new(start(one, way)?, &one.user);
        let b = Running::new(start(other, other_way)?, &other.user);
        let relayed = plan
            .relayed
            .map(|device| Ok::<_, anyhow::Error>(Running::new(start(device, "relay")?, &device.user)));
        Ok((a, b, relayed.transpose()?))
    };
    let (mut a, mut b, mut relayed) = match started() {
        Ok(started) => started,
        Err(error) => return Outcome::NoParticipant(format!("{error:#}")),
    };
    let pair = async {
        // One that is there waits for the other; one that has given up ends it for both.
        let (first, second) = (a.meet(&other.user, began), b.meet(&one.user, began));
        tokio::pin!(first, second);
        tokio::select! {
            met = &mut first => if met { second.await; },
            met = &mut second => if met { first.await; },
        }
    };
    let through = async {
        if let Some(relayed) = &mut relayed {
            relayed.connect().await;
        }
    };
    let _in_time = timeout(CALL_MAX, async { tokio::join!(pair, through) }).await;
    let relayed = async {
        match relayed {
            Some(relayed) => Some(relayed.leave().await),
            None => None,
        }
    };
    let (a, b, relayed) = tokio::join!(a.leave(), b.leave(), relayed);
    Outcome::Held {
        pair: Box::new([a, b]),
        relayed,
    }
}

/// A participant that runs. It is killed with this value.
struct Running {
    child: Child,
    events: mpsc::UnboundedReceiver<Value>,
    complaint: Option<std::thread::JoinHandle<String>>,
    party: Party,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn new(mut child: Child, user: &str) -> Self {
        let (tell, events) = mpsc::unbounded_channel();
        if let Some(output) = child.stdout.take() {
            // It ends with the participant.
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if tell
                        .send(serde_json::from_str(&line).unwrap_or_default())
                        .is_err()
                    {
                        break;
                    }
                }
            });
        }
        let complaint = child.stderr.take().map(|errors| {
            std::thread::spawn(move || {
                let mut text = String::new();
                let _ = errors.take(COMPLAINT_BYTES_MAX).read_to_string(&mut text);
                text
            })
        });
        Running {
            child,
            events,
            complaint,
            party: Party {
                user: user.to_owned(),
                ..Party::default()
            },
        }
    }

    /// Reads until it has met the other one; `false`: it has ended.
    async fn meet(&mut self, other: &str, began: Instant) -> bool {
        while let Some(event) = self.event().await {
            self.note(&event);
            let name = |name: &str| event.get(name).and_then(Value::as_str);
            if name("event") == Some("met") && name("user") == Some(other) {
                self.party.met = Some(began.elapsed());
                return true;
            }
        }
        false
    }

    /// Reads until media flows, or it has ended.
    async fn connect(&mut self) {
        while !self.party.is_connected
            && let Some(event) = self.event().await
        {
            self.note(&event);
        }
    }

    async fn event(&mut self) -> Option<Value> {
        self.events.recv().await
    }

    fn note(&mut self, event: &Value) {
        match event.get("event").and_then(Value::as_str) {
            Some("joined") => self.party.is_joined = true,
            Some("connected") => self.party.is_connected = true,
            _ => {}
        }
        let Some(report) = event.get("report") else { return };
        self.party.is_encrypted = report.get("is_encrypted").and_then(Value::as_bool) == Some(true);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let lost = report
            .get("lost")
            .and_then(Value::as_array)
            .and_then(|lost| lost.first())
            .and_then(text);
        let troubles = event.get("troubles").and_then(Value::as_array);
        let trouble =
            troubles.and_then(|troubles| troubles.iter().find_map(|each| text(each.get("trouble")?)));
        self.party.trouble = lost.or(trouble);
        let ways = report.get("ways").and_then(Value::as_array);
        self.party.turn = ways.and_then(|ways| ways.iter().find_map(|each| text(each.get("turn")?)));
    }

    /// Asks it to leave, and reads to its end.
    async fn leave(mut self) -> Party {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let rest = async {
            while let Some(event) = self.event().await {
                self.note(&event);
            }
        };
        // Who does not leave in time is killed, and has complained until then.
        let _in_time = timeout(LEAVE_MAX, rest).await;
        let _ = self.child.kill();
        if let Some(complaint) = self.complaint.take() {
            self.party.complaint = complaint.join().unwrap_or_default();
        }
        std::mem::take(&mut self.party)
    }
}

/// Whether it is for want of a way for media alone that they did not meet; the lines about ways say so.
pub fn waits_for_media(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Held { pair: parties, .. } => {
            parties.iter().all(|party| party.is_joined) && !parties.iter().all(Party::has_media)
        }
        _ => false,
    }
}

/// What to say of it.
pub fn judge(outcome: &Outcome) -> Said {
    let parties = match outcome {
        Outcome::NoUsers(refused) => {
            let said = |words: &super::sentence::Words| super::sentence::Words {
                en: words.en.clone(),
                de: words.de.clone(),
            };
            return NO_USERS.with([said(&refused.what), said(&refused.answer)]);
        }
        Outcome::NoParticipant(why) => return NO_PARTICIPANT.with([why.into()]),
        Outcome::Held { pair, .. } => &**pair,
    };
    if let Some(out) = parties.iter().find(|party| !party.has_media()) {
        let complaint = out.complaint.lines().find(|line| !line.trim().is_empty());
        let words = complaint
            .map(|line| line.trim_start_matches("hanse-participant: ").to_owned())
            .or_else(|| out.trouble.clone());
        let words = words.unwrap_or_else(|| format!("nothing came of it within {} s", CALL_MAX.as_secs()));
        return NOT_IN.with([(&out.user).into(), words.into()]);
    }
    let [a, b] = parties;
    for (one, other) in [(a, b), (b, a)] {
        if one.met.is_none() {
            let words = one
                .trouble
                .clone()
                .unwrap_or_else(|| format!("not within {} s", CALL_MAX.as_secs()));
            return NOT_MET.with([(&one.user).into(), (&other.user).into(), words.into()]);
        }
    }
    if parties.iter().any(|party| !party.is_encrypted) {
        return NOT_SEALED.plain();
    }
    let longest = parties
        .iter()
        .filter_map(|party| party.met)
        .max()
        .unwrap_or_default();
    GOOD.with([format!("{:.1}", longest.as_secs_f64()).into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(user: &str) -> Party {
        Party {
            user: user.to_owned(),
            is_connected: true,
            met: Some(Duration::from_millis(2_340)),
            is_encrypted: true,
            ..Party::default()
        }
    }

    #[test]
    fn who_is_missing_and_why_is_said() {
        let both = |change: fn(&mut Party)| {
            let mut b = party("@b:x");
            change(&mut b);
            judge(&Outcome::Held {
                pair: Box::new([party("@a:x"), b]),
                relayed: None,
            })
            .en()
        };
        assert_eq!(
            both(|_| {}),
            "two participants saw and heard each other, sealed, after 2.3 s"
        );
        let refused = both(|b| {
            (b.is_connected, b.met) = (false, None);
            b.complaint =
                "hanse-participant: the focus refuses with status 403: not in the room\n".to_owned();
        });
        assert_eq!(
            refused,
            "@b:x did not get into the call: the focus refuses with status 403: not in the room"
        );
        let deaf = both(|b| {
            b.met = None;
            b.trouble = Some("nothing of their media arrives".to_owned());
        });
        assert_eq!(
            deaf,
            "both are in the call, and @b:x does not see and hear @a:x: nothing of their media arrives"
        );
        assert!(both(|b| b.is_encrypted = false).contains("not sealed"));
    }
}
