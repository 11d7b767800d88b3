//! Stories.

mod conflicts;
