//! Settings written as a statement without quotes: `SET fs.s3a.secret.key=…` of Spark and Databricks, `SET MYSQL_PWD=…` of a
//! shell.
//!
//! The value may hold signs that the lexer of statements does not keep together, so it is read as a text.

use super::{
    detector::Detector,
    pairs::{Link, secret_value},
};
use crate::{
    names,
    rules::{KeywordGroups, rule},
    text::{Match, Text, WINDOW, head},
};

/// Lines that set something named as a secret.
pub(super) struct Settings;

impl Detector for Settings {
    fn wakes(&self) -> KeywordGroups {
        KeywordGroups::NAMES
    }

    fn find<'t>(&self, text: &Text<'t>) -> Option<Match<'t>> {
        text.all.split(['\n', ';']).find_map(|line| {
            let line = line.trim_start();
            let rest = line.get(..4).filter(|start| start.eq_ignore_ascii_case("set ")).map(|_| &line[4..])?;
            text.budget.spend(1)?;
            let (name, _) = head(rest.trim_start(), WINDOW).split_once('=')?;
            let value = &rest.trim_start()[name.len() + 1..];
            set_value(name, value).map(|value| Match::new(rule::SET_SETTING, value))
        })
    }
}

fn set_value<'t>(name: &str, value: &'t str) -> Option<&'t str> {
    let bare = name.trim().trim_matches(['`', '"']);
    let dotted = bare.contains('.') && !bare.contains(char::is_whitespace);
    let variable = bare.len() > 3 && name.len() == bare.len() && bare.chars().all(is_variable);
    if !dotted && !variable {
        return None;
    }
    let link = if variable { Link::Tight } else { Link::Loose };
    secret_value(names::classify(bare)?, link, value.trim(), dotted)
}

fn is_variable(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
}
