//! The length of the template's lines.

use crate::settings::source;

/// Most characters of a line.
const MAX_LENGTH: usize = 140;

/// Returns the number, starting at 1, and the length in characters of each line that is too long.
fn too_long(text: &str) -> Vec<(usize, usize)> {
    let lengths = text.lines().map(|line| line.chars().count()).zip(1..);
    lengths.filter(|&(length, _)| length > MAX_LENGTH).map(|(length, number)| (number, length)).collect()
}

#[test]
fn no_line_of_the_template_is_too_long() {
    assert_eq!(too_long(&source("template.yaml")), []);
}

#[test]
fn a_line_that_is_too_long_is_found() {
    let [longest, too_many] = [MAX_LENGTH, MAX_LENGTH + 1].map(|length| "ü".repeat(length));
    assert_eq!(too_long(&format!("short\n{longest}\n{too_many}\n")), [(3, MAX_LENGTH + 1)]);
}
