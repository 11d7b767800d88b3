//! The rules of conflict without a database: named cases, and properties by the thousand.

mod cases;
mod line;
mod properties;

use line::{Line, change, delete, upload};
