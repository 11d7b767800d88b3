//! Characters that read like ASCII: full-width forms (NFKC) and letters of other scripts (the confusables of UTS #39).

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::skeleton;

/// The table of all such characters, as Rust.
pub(crate) fn code() -> String {
    let mut map = phf_codegen::Map::new();
    for character in '\u{80}'..=char::MAX {
        if let Some(plain) = ascii(character) {
            map.entry(character, format!("{plain:?}"));
        }
    }
    format!("pub(crate) static LOOKALIKES: phf::Map<char, &str> = {};\n", map.build())
}

/// The ASCII text that `c` reads like.
fn ascii(c: char) -> Option<String> {
    let compatible: String = c.nfkc().collect();
    if compatible.is_ascii() {
        return Some(compatible);
    }
    // The skeleton drops invisible characters. It also folds ASCII letters (`m` to `rn`), which does no harm to a letter that is
    // not ASCII.
    let letter: String = skeleton(&compatible).collect();
    (letter.is_empty() || letter.len() == 1 && letter.is_ascii() && c.is_alphabetic()).then_some(letter)
}
