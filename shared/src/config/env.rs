use std::collections::HashMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::ConfigError;
use crate::secret::{RotatingSecret, SecretSource};

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Environment variables, and the values of a secret for variables that the environment lacks.
///
/// An empty variable counts as not set.
pub struct Env {
    variables: Box<Lookup>,
    secrets: Option<(HashMap<String, SecretString>, Arc<dyn SecretSource>)>,
}

impl Env {
    /// The environment of this process.
    pub fn process() -> Self {
        Self::from_fn(|name| std::env::var(name).ok())
    }

    /// Variables that `lookup` returns, for tests.
    pub fn from_fn(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { variables: Box::new(lookup), secrets: None }
    }

    /// The variables in `pairs`, for tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let pairs: HashMap<_, _> = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self::from_fn(move |name| pairs.get(name).cloned())
    }

    /// Adds `values` for variables that the environment lacks. `source` has the newer values once one of them is refused.
    #[must_use]
    pub fn with_secrets(self, values: HashMap<String, SecretString>, source: Arc<dyn SecretSource>) -> Self {
        Self { secrets: Some((values, source)), ..self }
    }

    /// Adds `value` for `variable`, if the environment lacks it. A secret with the same name is ignored.
    #[must_use]
    pub fn with_default(self, variable: &'static str, value: String) -> Self {
        let Self { variables, secrets } = self;
        let lookup = move |name: &str| match variables(name).filter(|value| !value.is_empty()) {
            None if name == variable => Some(value.clone()),
            found => found,
        };
        Self { variables: Box::new(lookup), secrets }
    }

    /// Returns the value of `variable`, unless it is not set or empty.
    pub fn get(&self, variable: &str) -> Option<String> {
        let is_set = |value: &String| !value.is_empty();
        let secret = || self.secrets.as_ref()?.0.get(variable).map(|value| value.expose_secret().to_owned());
        (self.variables)(variable).filter(is_set).or_else(secret).filter(is_set)
    }

    pub(super) fn get_or(&self, variable: &str, default: &str) -> String {
        self.get(variable).unwrap_or_else(|| default.to_owned())
    }

    pub(super) fn secret(&self, variable: &str) -> Option<SecretString> {
        self.get(variable).map(SecretString::from)
    }

    /// Returns the source of newer values, if there is one.
    pub(super) fn secret_source(&self) -> Option<Arc<dyn SecretSource>> {
        self.secrets.as_ref().map(|(_, source)| Arc::clone(source))
    }

    pub(super) fn rotating_secret(&self, variable: &'static str) -> Option<RotatingSecret> {
        let value = self.secret(variable)?;
        Some(match self.secret_source() {
            Some(source) => RotatingSecret::from_source(value, source, variable),
            None => RotatingSecret::from(value),
        })
    }

    /// Returns the URL of a store, once its scheme is checked.
    pub(super) fn store_url(
        &self,
        variable: &'static str,
        schemes: &[&str],
    ) -> Result<Option<RotatingSecret>, ConfigError> {
        let Some(url) = self.rotating_secret(variable) else { return Ok(None) };
        check_scheme(variable, url.get().expose_secret(), schemes)?;
        Ok(Some(url))
    }

    /// Returns whether the variable is `on`; `default` is `on` or `off`.
    ///
    /// # Errors
    /// When it is neither.
    pub(super) fn switch(&self, variable: &'static str, default: &str) -> Result<bool, ConfigError> {
        match self.get_or(variable, default).as_str() {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(ConfigError::invalid(variable, other, "on or off")),
        }
    }

    /// Returns the address of a web page, without a `/` at its end.
    pub(super) fn web_url(&self, variable: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(url) = self.get(variable) else { return Ok(None) };
        match Url::parse(&url) {
            Ok(parsed) if is_base_url(&parsed) => Ok(Some(url.trim_end_matches('/').to_owned())),
            _ => {
                Err(ConfigError::invalid(variable, url, "a URL that starts with http:// or https://, without ? and #"))
            }
        }
    }
}

/// Whether a path can be appended to `url`.
fn is_base_url(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
}

/// Refuses a URL with another scheme than `schemes`. The error does not show the URL, which may hold a password.
pub(super) fn check_scheme(variable: &'static str, url: &str, schemes: &[&str]) -> Result<(), ConfigError> {
    if Url::parse(url).is_ok_and(|url| schemes.contains(&url.scheme())) {
        return Ok(());
    }
    let expected = format!("a URL that starts with {}://", schemes.join(":// or "));
    Err(ConfigError::InvalidSecret { variable, expected })
}
