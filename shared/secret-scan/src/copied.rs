//! Rows of a dump of PostgreSQL: `COPY users (name, password) FROM stdin;`, then a line of values for each row.

use super::{
    around::tail,
    names::{self, Name},
    sql, value,
};

/// How many tables are looked at.
const TABLES: usize = 100;
/// How many rows are looked at; the first ones tell what a column holds.
const ROWS: usize = 50;

/// How long a list of columns may be, in bytes.
const COLUMNS: usize = 4096;

/// Whether a row holds a secret in a column that is named as one.
pub(super) fn has_secret(text: &str) -> bool {
    text.match_indices(" FROM stdin").chain(text.match_indices(" from stdin")).take(TABLES).any(|(at, _)| {
        let columns = secret_columns(tail(&text[..at], COLUMNS));
        !columns.is_empty()
            && text[at..].lines().skip(1).take(ROWS).take_while(|row| *row != "\\.").any(|row| in_row(row, &columns))
    })
}

/// The columns listed at the end of `head` that are named as secrets, by position.
fn secret_columns(head: &str) -> Vec<(usize, Name)> {
    let list = head.strip_suffix(')').and_then(|head| head.rsplit_once('('));
    let names = list.map_or("", |(_, names)| names).split(',');
    names.enumerate().filter_map(|(at, name)| names::classify(name.trim()).map(|name| (at, name))).collect()
}

fn in_row(row: &str, columns: &[(usize, Name)]) -> bool {
    let values: Vec<&str> = row.split('\t').collect();
    columns.iter().any(|(at, name)| {
        values
            .get(*at)
            .is_some_and(|text| *text != "\\N" && !value::is_status_word(text) && sql::is_secret(*name, text))
    })
}
