use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Check, Extra, FieldError, Metadata, by_name, limits};

/// Database system of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseType {
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
    /// MongoDB.
    Mongodb,
}

/// A connection template: the address of a database and the user name to log in with, but no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// Name, chosen by the user.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00]*$")]
    pub name: String,
    /// Database system.
    #[serde(rename = "type", deserialize_with = "by_name")]
    pub database_type: DatabaseType,
    /// Host name or address of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, pattern = r"^[^\x00]*$")]
    pub host: Option<String>,
    /// Port of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub port: Option<i64>,
    /// Name of the database; for SQLite, the path of its file.
    #[schema(max_length = 4096, pattern = r"^[^\x00]*$")]
    pub database: String,
    /// User name for the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, pattern = r"^[^\x00]*$")]
    pub username: Option<String>,
    /// Whether the connection goes through an SSH tunnel.
    #[serde(default)]
    pub use_ssh: bool,
    /// Host name or address of the SSH server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, pattern = r"^[^\x00]*$")]
    pub ssh_host: Option<String>,
    /// Port of the SSH server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub ssh_port: Option<i64>,
    /// User name for the SSH server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, pattern = r"^[^\x00]*$")]
    pub ssh_user: Option<String>,
    /// Colour in the user interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, pattern = r"^[^\x00]*$")]
    pub color: Option<String>,
    /// Icon in the user interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, pattern = r"^[^\x00]*$")]
    pub icon: Option<String>,
    /// Further properties that clients store.
    #[serde(default)]
    #[schema(value_type = Metadata)]
    pub metadata: BTreeMap<String, String>,
    /// Fields that this release does not know.
    #[serde(skip)]
    pub extra: Extra,
}

impl Connection {
    /// Checks every field against its limits.
    pub(crate) fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut check = Check::default();
        check.text("name", &self.name, 1, limits::NAME_CHARS);
        check.optional_text("host", self.host.as_ref(), limits::HOST_CHARS);
        check.port("port", self.port);
        check.text("database", &self.database, 0, limits::DATABASE_CHARS);
        check.optional_text("username", self.username.as_ref(), limits::NAME_CHARS);
        check.optional_text("ssh_host", self.ssh_host.as_ref(), limits::HOST_CHARS);
        check.port("ssh_port", self.ssh_port);
        check.optional_text("ssh_user", self.ssh_user.as_ref(), limits::NAME_CHARS);
        check.optional_text("color", self.color.as_ref(), limits::DECORATION_CHARS);
        check.optional_text("icon", self.icon.as_ref(), limits::DECORATION_CHARS);
        check.metadata(&self.metadata);
        check.finish()
    }
}
