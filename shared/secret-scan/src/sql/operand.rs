//! What stands left of an operator.

use crate::names::Name;

/// What an operator would compare or assign to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand<'t> {
    None,
    /// Column, variable or key.
    Name(&'t str),
    /// String, which is a key before `:` and `=>`.
    Text(&'t str),
    /// Bracket around something already judged, such as `lower(password)`.
    Judged(Name),
    /// Parameter of the statement, by its number.
    Parameter(usize),
}
