//! Rows of a dump of PostgreSQL: `COPY users (name, password) FROM stdin;`, then a line of values for each row.

use super::detector::Detector;
use crate::{
    literal,
    names::{self, Name},
    rules::{KeywordGroups, rule},
    text::{Match, Text, tail},
    value,
};

/// How many tables are looked at.
const TABLES: usize = 100;
/// How many rows of a table are looked at; the first ones tell what a column holds.
const ROWS: usize = 50;
/// Bytes of a row that a look pays for.
const VALUE: usize = 64;
/// How long a list of columns may be, in bytes.
const COLUMNS: usize = 4096;

/// Rows with a secret in a column that is named as one.
pub(super) struct CopyRows;

impl Detector for CopyRows {
    fn wakes(&self) -> KeywordGroups {
        KeywordGroups::NAMES
    }

    fn find<'t>(&self, text: &Text<'t>) -> Option<Match<'t>> {
        let all = text.all;
        let copies = all.match_indices(" FROM stdin").chain(all.match_indices(" from stdin")).take(TABLES);
        for (at, _) in copies {
            let columns = secret_columns(tail(&all[..at], COLUMNS));
            text.budget.spend(1)?;
            if columns.is_empty() {
                continue;
            }
            for row in all[at..].lines().skip(1).take(ROWS).take_while(|row| *row != "\\.") {
                text.budget.spend((1 + row.len() / VALUE + columns.len()) as u64)?;
                if let Some(value) = secret_in_row(row, &columns) {
                    return Some(Match::new(rule::COPY_ROW, value));
                }
            }
        }
        None
    }
}

/// The columns listed at the end of `head` that are named as secrets, by position.
fn secret_columns(head: &str) -> Vec<(usize, Name)> {
    let list = head.strip_suffix(')').and_then(|head| head.rsplit_once('('));
    let names = list.map_or("", |(_, names)| names).split(',');
    names.enumerate().filter_map(|(at, name)| names::classify(name.trim()).map(|name| (at, name))).collect()
}

fn secret_in_row<'t>(row: &'t str, columns: &[(usize, Name)]) -> Option<&'t str> {
    let values: Vec<&str> = row.split('\t').collect();
    columns.iter().find_map(|(at, name)| {
        let text = *values.get(*at)?;
        let secret = text != "\\N" && !value::is_status_word(text) && literal::is_secret(*name, text);
        secret.then_some(text)
    })
}
