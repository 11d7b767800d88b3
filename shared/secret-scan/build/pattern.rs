//! Patterns of tokens: a subset of regular expressions that needs no automaton. A pattern is a sequence of characters and
//! character classes, each with a number of repetitions. It is matched from left to right without backtracking.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Maximum number of repetitions where a pattern states none.
const OPEN_END: u32 = 400;

/// One character or class, repeated.
#[derive(Debug)]
pub(crate) struct Step {
    /// Bit `n` is set if the step accepts the ASCII character `n`.
    pub(crate) accepts: u128,
    pub(crate) min: u32,
    pub(crate) max: u32,
}

/// Parses a pattern.
///
/// # Errors
/// When it is no regular expression, or uses more than the subset.
pub(crate) fn parse(pattern: &str) -> Result<Vec<Step>, String> {
    // Without Unicode, `\d` and `.` are classes of ASCII characters, or of bytes, which are refused.
    let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
    let hir = parser.parse(pattern).map_err(|error| format!("the pattern is invalid: {error}"))?;
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts.iter().collect(),
        _ => vec![&hir],
    };
    let mut steps = Vec::new();
    for part in parts {
        append(part, &mut steps)?;
    }
    Ok(steps)
}

fn append(part: &Hir, steps: &mut Vec<Step>) -> Result<(), String> {
    match part.kind() {
        HirKind::Literal(literal) => {
            steps.extend(literal.0.iter().map(|byte| Step { accepts: 1 << (byte & 0x7f), min: 1, max: 1 }));
        }
        HirKind::Class(class) => steps.push(Step { accepts: accepted(class)?, min: 1, max: 1 }),
        HirKind::Repetition(repetition) => {
            let mut once = Vec::new();
            append(&repetition.sub, &mut once)?;
            let [step] = once.as_slice() else {
                return Err(format!("the pattern may only repeat one character or class, but has {part}"));
            };
            let max = repetition.max.unwrap_or(OPEN_END.max(repetition.min));
            steps.push(Step { accepts: step.accepts, min: repetition.min, max });
        }
        _ => {
            return Err(format!(
                "the pattern may only have characters, classes and repetitions {{n,m}}, but has {part}"
            ));
        }
    }
    Ok(())
}

fn accepted(class: &Class) -> Result<u128, String> {
    let Class::Bytes(class) = class else { return Err("the pattern may only hold ASCII characters".into()) };
    let mut accepts = 0;
    for range in class.ranges() {
        if !range.end().is_ascii() {
            return Err("a class of the pattern may only hold ASCII characters; `.` holds any".into());
        }
        for code in range.start()..=range.end() {
            accepts |= 1 << code;
        }
    }
    Ok(accepts)
}

/// Returns the number of the first step at which `keyword` can begin, without regard to case.
pub(crate) fn position(steps: &[Step], keyword: &str) -> Option<usize> {
    (0..steps.len()).find(|&first| accepts(&steps[first..], 0, keyword.as_bytes()))
}

/// Whether the steps, of which the first has been repeated `used` times, accept a text that begins with `keyword`.
fn accepts(steps: &[Step], used: u32, keyword: &[u8]) -> bool {
    let Some((&byte, rest)) = keyword.split_first() else { return true };
    let Some((step, later)) = steps.split_first() else { return false };
    let fits = [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()].iter().any(|&b| step.accepts >> b & 1 == 1);
    let again = fits && used < step.max && accepts(steps, used + 1, rest);
    again || used >= step.min && accepts(later, 0, keyword)
}
