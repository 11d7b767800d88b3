/// An environment variable that is missing or has an unusable value.
///
/// Its message is one line that names the variable, shows the value unless it is secret, and says what the value must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The variable is required here, and is not set.
    #[error("{variable} is not set; {remedy}")]
    Missing {
        /// Name of the variable.
        variable: &'static str,
        /// Advice to the operator.
        remedy: &'static str,
    },
    /// The value cannot be used.
    #[error("{variable} is {value:?}, but must be {expected}")]
    Invalid {
        /// Name of the variable.
        variable: &'static str,
        /// The value, or the part of it that is wrong.
        value: String,
        /// Description of usable values.
        expected: String,
    },
    /// The value cannot be used, and may hold a secret, which is not shown.
    #[error("{variable} must be {expected}")]
    InvalidSecret {
        /// Name of the variable.
        variable: &'static str,
        /// Description of usable values.
        expected: String,
    },
}

impl ConfigError {
    /// Name of the variable.
    pub const fn variable(&self) -> &'static str {
        match self {
            Self::Missing { variable, .. } | Self::Invalid { variable, .. } | Self::InvalidSecret { variable, .. } => {
                variable
            }
        }
    }

    pub(super) fn invalid(variable: &'static str, value: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Invalid { variable, value: value.into(), expected: expected.into() }
    }
}
