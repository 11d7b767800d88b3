use std::fs::{read_dir, read_to_string};
use std::path::Path;

use fastrand::Rng;
use serde_json::Value;

use crate::measure::FIELDS;

/// Folders with the rules and the code of the scanner.
const FOLDERS: [&str; 6] = ["rules", "src/detect", "src/detect/commands", "src/detect/pairs", "src/json", "src/sql"];

/// Signs of statements, JSON, URLs, command lines and prose, and beginnings of longer ones.
#[rustfmt::skip]
const SIGNS: &[&str] = &[
    ":", "=", "\"", "'", "`", "(", ")", "[", "]", "{", "}", "<", ">", ",", ";", ".", "/", "\\", "|", "&", "?", "#", "%",
    "+", "*", "-", "_", "!", "~", "^", "@", "$", "--", "/*", "*/", "//", "$$", "$a$", "$b$", "$c$", "://", "::", ":=",
    "=>", "''", "\\'", "\\\"", "\": \"", "', '", " / ", " | ", " ", "        ", "\n", "\r\n", "\t", "\u{a0}", "a", "A", "0",
    "9", "密码", "“", "”", "’", "„", "ｐａｓｓ", "：", "＝", "é", "İ", "😀", "\u{200b}", "\u{301}",
    "INSERT INTO t(password) VALUES (", "INSERT INTO t VALUES ", "SELECT ", "CREATE USER a ", "SET password = ", "db.",
    "near '", "{\"a\":\"", "password: ", "https://", "mysql -u root -p", "$ ", "-- ",
];

/// Maximum length of words in bytes, and of pieces of ordinary texts in characters.
const MAX_LENGTH: usize = 40;

/// What candidates are made of.
pub(crate) struct Dictionary {
    /// Quoted strings in the rules and the code of the scanner.
    words: Vec<String>,
    /// Ordinary texts, one after the other.
    texts: Vec<char>,
}

impl Dictionary {
    pub(crate) fn read(corpus: &[Value]) -> Self {
        let mut words: Vec<String> = FOLDERS.into_iter().flat_map(files).flat_map(|file| quoted(&file)).collect();
        words.sort();
        words.dedup();
        let texts = corpus.iter().flat_map(|item| FIELDS.into_iter().filter_map(|field| item[field].as_str()));
        Self { words, texts: texts.flat_map(str::chars).collect() }
    }

    /// A word, a sign or a piece of a text.
    pub(crate) fn token(&self, rng: &mut Rng) -> String {
        match rng.u8(..8) {
            0 => {
                let start = rng.usize(..self.texts.len());
                self.texts[start..].iter().take(rng.usize(1..MAX_LENGTH)).collect()
            }
            1..=3 => any(SIGNS, rng).to_owned(),
            _ => any(&self.words, rng),
        }
    }
}

/// An element of a list that is not empty.
pub(crate) fn any<T: Clone>(choices: &[T], rng: &mut Rng) -> T {
    choices[rng.usize(..choices.len())].clone()
}

/// The rules or source files in `folder`; none if it does not exist.
fn files(folder: &str) -> Vec<String> {
    let scanner = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/secret-scan");
    let paths = read_dir(scanner.join(folder)).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "toml" || end == "rs"));
    files.map(|path| read_to_string(path).expect("the file is text")).collect()
}

/// What stands between double quotes in the lines. Escaped quotes only lead to other words.
fn quoted(file: &str) -> Vec<String> {
    let lines = file.lines().filter(|line| !line.trim_start().starts_with(['/', '#']));
    let words = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
    words.filter(|word| (1..=MAX_LENGTH).contains(&word.len())).map(str::to_owned).collect()
}
