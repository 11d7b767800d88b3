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
    let hir = regex_syntax::Parser::new().parse(pattern).map_err(|error| error.to_string())?;
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
            let [step] = once.as_slice() else { return Err("only one character or class can be repeated".into()) };
            let max = repetition.max.unwrap_or(OPEN_END.max(repetition.min));
            steps.push(Step { accepts: step.accepts, min: repetition.min, max });
        }
        _ => return Err("only characters, classes and repetitions are supported".into()),
    }
    Ok(())
}

fn accepted(class: &Class) -> Result<u128, String> {
    let Class::Unicode(class) = class else { return Err("a class of bytes is not supported".into()) };
    let mut accepts = 0;
    for range in class.ranges() {
        if !range.end().is_ascii() {
            return Err("a class may only hold ASCII characters".into());
        }
        for code in u32::from(range.start())..=u32::from(range.end()) {
            accepts |= 1 << code;
        }
    }
    Ok(accepts)
}

/// Returns the number of the first step at which `keyword` can begin, without regard to case.
pub(crate) fn position(steps: &[Step], keyword: &str) -> Option<usize> {
    (0..steps.len()).find(|&first| accepts(&steps[first..], keyword.as_bytes()))
}

/// Whether the steps accept a text that begins with `keyword`.
fn accepts(steps: &[Step], keyword: &[u8]) -> bool {
    let Some((&byte, rest)) = keyword.split_first() else { return true };
    let Some((step, later)) = steps.split_first() else { return false };
    let fits = [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()].iter().any(|&b| step.accepts >> b & 1 == 1);
    if step.max == 1 {
        return fits && accepts(later, rest);
    }
    let again = Step { accepts: step.accepts, min: step.min.saturating_sub(1), max: step.max - 1 };
    // Either the repetition goes on, or it has ended.
    fits && accepts_again(&again, later, rest) || step.min == 0 && accepts(later, keyword)
}

fn accepts_again(again: &Step, later: &[Step], rest: &[u8]) -> bool {
    let Some((&byte, tail)) = rest.split_first() else { return true };
    let fits = [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()].iter().any(|&b| again.accepts >> b & 1 == 1);
    let next = Step { accepts: again.accepts, min: again.min.saturating_sub(1), max: again.max.saturating_sub(1) };
    fits && again.max > 0 && accepts_again(&next, later, tail) || again.min == 0 && accepts(later, rest)
}
