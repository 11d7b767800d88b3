//! Flags of command lines, as the `[[flag]]` entries describe them.

use super::command::{first_word, login, secret};
use crate::{
    rules::{FLAGS, Flag, FlagValue, PROGRAMS},
    text::Match,
};

/// The programs named on the line so far. Every word is looked at once.
pub(super) struct Line<'t> {
    text: &'t str,
    at: usize,
    programs: u64,
}

impl<'t> Line<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0, programs: 0 }
    }

    /// Reads on up to a position.
    pub(super) fn read_to(&mut self, to: usize) {
        let new = self.text.get(self.at..to).unwrap_or_default();
        let mut ends = new.rmatch_indices(['\n', ';', '|']);
        // A backslash continues the line.
        let end = ends.find(|(at, sign)| *sign != "\n" || !new[..*at].trim_end_matches('\r').ends_with('\\'));
        let line = end.map_or(new, |(at, _)| &new[at..]);
        if line.len() < new.len() {
            self.programs = 0;
        }
        let breaks = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '(' | '/' | '$');
        self.programs |= line.split(breaks).fold(0, |all, word| all | program(word));
        self.at = to.max(self.at);
    }

    /// The password of the flag that `rest` begins with, if a program on the line takes it.
    pub(super) fn flag(&self, rest: &'t str) -> Option<Match<'t>> {
        FLAGS.iter().filter(|flag| flag.needs & !self.programs == 0).find_map(|flag| {
            let spelling = flag.spellings.iter().find(|spelling| rest.starts_with(**spelling))?;
            value(flag, spelling, &rest[spelling.len()..]).map(|value| Match::new(flag.rule, value))
        })
    }
}

/// The bits of a program or subcommand.
fn program(word: &str) -> u64 {
    let word = word.strip_suffix(".exe").unwrap_or(word);
    PROGRAMS.get(word).copied().unwrap_or_default()
}

/// The value of a flag that is spelled as `spelling`.
fn value<'t>(flag: &Flag, spelling: &str, rest: &'t str) -> Option<&'t str> {
    let spaced = rest.starts_with(' ') || spelling.ends_with(' ');
    match flag.value {
        FlagValue::Login => {
            // `--user` ends there, `-u` need not.
            let ends = spelling.starts_with(' ') || rest.starts_with([' ', '=']);
            login(first_word(rest.trim_start_matches([' ', '='])), ':').filter(|_| ends)
        }
        FlagValue::Attached if spaced => None,
        FlagValue::Next if !spaced => None,
        FlagValue::Attached | FlagValue::Next | FlagValue::Either => secret(rest.trim_start_matches(' ')),
    }
}
