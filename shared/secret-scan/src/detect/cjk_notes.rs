//! Notes in languages that write no space between a name and what is said of it (`密码是Chun2023`), so that all is one word.

use super::detector::Detector;
use crate::{
    rules::{KeywordGroups, rule},
    text::{Match, Text},
    value,
};

/// Words for a password.
const NAMES: &[&str] = &["密码", "密碼", "口令", "暗号", "パスワード", "비밀번호", "비번", "암호"];
/// Links between the word and the password, and opening quotes and brackets.
#[rustfmt::skip]
const LINKS: &[&str] = &[
    "设置为", "设为", "改为", "改成", "变更为", "是", "为", "為", "は", "が", "を", "는", "은", "이", "가", "：", ":", "=",
    "＝", " ", "「", "『", "“", "\"", "'", "`", "（", "(",
];
/// Maximum number of links in a row.
const MAX_LINKS: usize = 6;
/// Maximum length of a password, in bytes.
const VALUE: usize = 80;

/// Passwords in Chinese, Japanese and Korean notes.
pub(super) struct CjkNotes;

impl Detector for CjkNotes {
    fn wakes(&self) -> KeywordGroups {
        KeywordGroups::NAMES
    }

    fn find<'t>(&self, text: &Text<'t>) -> Option<Match<'t>> {
        text.hits(KeywordGroups::NAMES).filter(|hit| NAMES.contains(&hit.keyword().text)).find_map(|hit| {
            text.budget.spend(1)?;
            let value = told(&text.all[hit.at() + hit.keyword().text.len()..])?;
            Some(Match::new(rule::CJK_NOTE, value))
        })
    }
}

/// The password at the start of `rest`. It is in ASCII, as passwords are, while what goes on with the sentence is not.
fn told(rest: &str) -> Option<&str> {
    let mut value = rest;
    for _ in 0..MAX_LINKS {
        let Some(after) = LINKS.iter().find_map(|link| value.strip_prefix(link)) else {
            break;
        };
        value = after;
    }
    let end =
        value.bytes().take(VALUE).take_while(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'`')).count();
    let word = value[..end].trim_end_matches([',', ';', ')', '.']);
    // Behind a colon a plain word will do, if it is all that is said.
    let colon = rest.starts_with(['：', ':']) && (value[end..].is_empty() || value[end..].starts_with(['\n', '\r']));
    let plain = colon && word.len() > 3 && !value::is_status_word(word);
    let looks = value::is_opaque(word) || value::is_coined(word) || plain;
    let told = value.len() < rest.len() && looks && !value::is_placeholder(word) && !word.contains(['(', '=']);
    told.then_some(word)
}
