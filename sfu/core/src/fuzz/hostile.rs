//! Where hostile bytes come from, and how they are read as a list of things to do.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Bytes of noise, and of a piece that is put in.
const NOISE_MAX: usize = 400;

/// Edits of one example.
const EDITS_MAX: usize = 8;

/// The cases are the same in every run.
const SEED: u64 = 0x0048_616e_7365;

/// Numbers at which lengths and counters turn.
const EDGES: [u8; 10] = [0, 1, 2, 0x0f, 0x10, 0x7f, 0x80, 0xc0, 0xfe, 0xff];

#[derive(Clone, Debug)]
enum Edit {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
    Join(Vec<u8>),
}

fn edit(examples: Vec<Vec<u8>>) -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, 1 << bit)),
        4 => (at(), select(EDGES.to_vec())).prop_map(|(at, byte)| Edit::Set(at, byte)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        2 => (at(), prop::collection::vec(any::<u8>(), 1..16)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        2 => (at(), 1..32_usize).prop_map(|(at, len)| Edit::Remove(at, len)),
        1 => (at(), 1..64_usize).prop_map(|(at, len)| Edit::Repeat(at, len)),
        1 => at().prop_map(Edit::Cut),
        1 => select(examples).prop_map(Edit::Join),
    ]
}

fn apply(bytes: &mut Vec<u8>, edit: Edit) {
    let place = |at: Index, len: usize| if len == 0 { 0 } else { at.index(len) };
    match edit {
        Edit::Flip(at, mask) => {
            let at = place(at, bytes.len());
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mask);
        }
        Edit::Set(at, value) => {
            let at = place(at, bytes.len());
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = value);
        }
        Edit::Insert(at, piece) => {
            let at = place(at, bytes.len());
            bytes.splice(at..at, piece);
        }
        Edit::Remove(at, len) => {
            let at = place(at, bytes.len());
            bytes.drain(at..bytes.len().min(at + len));
        }
        Edit::Repeat(at, len) => {
            let at = place(at, bytes.len());
            let piece: Vec<u8> = bytes.iter().skip(at).take(len).copied().collect();
            bytes.splice(at..at, piece);
        }
        Edit::Cut(at) => bytes.truncate(place(at, bytes.len())),
        Edit::Join(other) => bytes.extend(other),
    }
}

/// Calls a property with the examples as they are, then with `cases` byte strings: one in four is noise, the others are
/// examples that were damaged. They are the same in every run, unless the environment says otherwise
/// (`PROPTEST_RNG_SEED`; `PROPTEST_CASES` for more of them).
///
/// # Panics
///
/// With the smallest bytes that were found for which the property panics. They belong among the examples from then on.
pub fn examine(cases: u32, examples: &[Vec<u8>], property: impl Fn(&[u8])) {
    for example in examples {
        property(example);
    }
    let from_environment = Config::default();
    let config = Config {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() {
            from_environment.cases
        } else {
            cases
        },
        rng_seed: match from_environment.rng_seed {
            RngSeed::Random => RngSeed::Fixed(SEED),
            fixed => fixed,
        },
        failure_persistence: None,
        ..from_environment
    };
    let mut examples = examples.to_vec();
    if examples.is_empty() {
        examples.push(Vec::new());
    }
    let edits = prop::collection::vec(edit(examples.clone()), 1..EDITS_MAX);
    let damaged = (select(examples), edits).prop_map(|(mut bytes, edits)| {
        for edit in edits {
            apply(&mut bytes, edit);
        }
        bytes
    });
    let noise = prop::collection::vec(any::<u8>(), 0..NOISE_MAX);
    let hostile = prop_oneof![1 => noise, 3 => damaged];
    let result = TestRunner::new(config).run(&hostile, |bytes| {
        property(&bytes);
        Ok(())
    });
    assert!(
        result.is_ok(),
        "{}",
        result.err().map(|error| error.to_string()).unwrap_or_default()
    );
}

/// Bytes as a list of things to do, so that whatever chooses bytes also chooses what happens.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// From the first byte on.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Script(bytes)
    }

    /// The next byte; `None` at the end.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number below `end`; 0 at the end, or when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let wide = end > usize::from(u8::MAX) + 1;
        let high = if wide { self.byte().unwrap_or_default() } else { 0 };
        let low = self.byte().unwrap_or_default();
        usize::from(u16::from_be_bytes([high, low]))
            .checked_rem(end)
            .unwrap_or_default()
    }

    /// The next `len` bytes, or as many as there are.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}
