//! Access to the source tree.

use std::path::{Path, PathBuf};

/// A file of the workspace.
pub(crate) struct SourceFile {
    /// Path from the root of the workspace, with `/`.
    pub(crate) path: String,
    /// Content.
    pub(crate) text: String,
}

impl SourceFile {
    /// Returns the code without comments, contents of strings and unit tests.
    pub(crate) fn code(&self) -> String {
        code(&self.text)
    }
}

/// Root of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads one file.
pub(crate) fn file(path: &str) -> SourceFile {
    let text = std::fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    SourceFile { path: path.to_owned(), text }
}

/// Returns whether `path` is a file.
pub(crate) fn is_file(path: &str) -> bool {
    workspace().join(path).is_file()
}

/// Reads every file below `folder` whose name ends in `ending`, in order.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<SourceFile> {
    let mut found = Vec::new();
    for name in names(folder) {
        let path = format!("{folder}/{name}");
        if workspace().join(&path).is_dir() {
            found.extend(files(&path, ending));
        } else if path.ends_with(ending) {
            found.push(file(&path));
        }
    }
    found
}

/// Reads every source file below `folder`, except modules for unit tests.
pub(crate) fn product(folder: &str) -> Vec<SourceFile> {
    without_test_modules(files(folder, ".rs"))
}

fn without_test_modules(mut files: Vec<SourceFile>) -> Vec<SourceFile> {
    let tests: Vec<String> = files.iter().flat_map(test_modules).collect();
    let is_test = |path: &str| {
        let path = path.trim_end_matches(".rs");
        tests.iter().any(|module| path == module || path.starts_with(&format!("{module}/")))
    };
    files.retain(|file| !is_test(&file.path));
    files
}

/// Returns the paths, without `.rs`, of the test modules that `file` declares.
fn test_modules(file: &SourceFile) -> Vec<String> {
    let own = file.path.trim_end_matches(".rs");
    let folder = own.strip_suffix("/mod").or_else(|| own.strip_suffix("/lib")).unwrap_or(own);
    let declarations = file.text.split("#[cfg(test)]\nmod ").skip(1);
    let names = declarations.filter_map(|rest| rest.lines().next()?.strip_suffix(';'));
    names.map(|name| format!("{folder}/{name}")).collect()
}

/// Returns the names of the entries of `folder`, in order.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(workspace().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("readable").file_name().into_string();
    let mut names: Vec<String> = entries.map(|entry| name(entry).expect("a name in Unicode")).collect();
    names.sort();
    names
}

/// Returns the names of the crates in `functions/`.
pub(crate) fn functions() -> Vec<String> {
    names("functions").into_iter().filter(|name| !name.contains('.')).collect()
}

/// Returns `text` without comments, contents of strings, and the unit tests at its end.
pub(crate) fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut code = String::new();
    let mut rest = before_tests;
    while let Some(start) = rest.find(['/', '"', '\'']) {
        let (before, from) = rest.split_at(start);
        code.push_str(before);
        let (kept, skipped) = token(from, before.ends_with("r") || before.ends_with('#'));
        code.push_str(kept);
        rest = &from[skipped..];
    }
    code + rest
}

/// Returns what to keep of the first token of `text`, and the length of the token in bytes.
fn token(text: &str, raw: bool) -> (&'static str, usize) {
    let until = |end: &str, from: usize| text[from..].find(end).map_or(text.len(), |place| from + place + end.len());
    if text.starts_with("//") {
        ("", text.find('\n').unwrap_or(text.len()))
    } else if text.starts_with("/*") {
        ("", until("*/", 2))
    } else if text.starts_with('"') {
        ("\"\"", if raw { until("\"", 1) } else { string_length(text) })
    } else if let Some(length) = char_length(text) {
        ("' '", length)
    } else {
        (if text.starts_with('/') { "/" } else { "'" }, 1)
    }
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            '"' if !escaped => return place + 1,
            _ => escaped = character == '\\' && !escaped,
        }
    }
    text.len()
}

/// Returns the length of the character literal that `text` starts with; `None` for a lifetime.
fn char_length(text: &str) -> Option<usize> {
    let mut characters = text.strip_prefix('\'')?.char_indices();
    let (_, first) = characters.next()?;
    if first == '\\' {
        return Some(text.get(3..)?.find('\'')? + 4);
    }
    let (place, second) = characters.next()?;
    (second == '\'').then_some(place + 2)
}

/// Returns the words of `code`: names, keywords and numbers.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|character: char| !character.is_alphanumeric() && character != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_has_no_comments_strings_or_tests() {
        let text = "use a; // tokio\n/* tokio */ let b = \"tokio \\\" tokio\"; let c = ('\"', '\\'', 'd');\n\
                    fn e<'a>(f: &'a str) -> u8 { 4 / 2 }\n#[cfg(test)]\nmod tests {\n tokio }";
        let code = code(text);
        assert_eq!(words(&code).filter(|word| *word == "tokio").count(), 0, "{code}");
        for word in ["use", "let", "c", "e", "str", "4", "2"] {
            assert!(words(&code).any(|other| other == word), "{word} is missing: {code}");
        }
    }

    #[test]
    fn test_modules_are_left_out() {
        let declaring = "mod page;\n#[cfg(test)]\nmod cases;\n#[cfg(test)]\nmod tests {}";
        let written = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let files = ["a/mod.rs", "b.rs"].map(|path| written(path, declaring)).into_iter();
        let others = ["a/cases.rs", "a/page.rs", "b/cases/mod.rs", "b/cases/more.rs", "b/page.rs", "b/tests.rs"];
        let files = files.chain(others.map(|path| written(path, ""))).collect();
        let left: Vec<String> = without_test_modules(files).into_iter().map(|file| file.path).collect();
        assert_eq!(left, ["a/mod.rs", "b.rs", "a/page.rs", "b/page.rs", "b/tests.rs"]);
    }

    #[test]
    fn a_raw_string_ends_at_its_first_quote() {
        assert!(words(&code("let a = r\"\\\"; tokio")).any(|word| word == "tokio"));
    }
}
