use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Check, FieldError, Metadata, by_name, limits};

/// The database systems that a connection can lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseType {
    /// PostgreSQL
    Postgres,
    /// MySQL and MariaDB
    Mysql,
    /// SQLite, a file
    Sqlite,
    /// MongoDB
    Mongodb,
}

/// A connection template: where a database is and who asks, but never the credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// What the user calls it.
    #[schema(min_length = 1, max_length = 255)]
    pub name: String,
    /// The database system.
    #[serde(rename = "type", deserialize_with = "by_name")]
    pub database_type: DatabaseType,
    /// The server's name or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub host: Option<String>,
    /// The server's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub port: Option<i64>,
    /// The database's name, or for SQLite its path.
    #[schema(max_length = 4096)]
    pub database: String,
    /// The name to log in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub username: Option<String>,
    /// Whether the connection goes through an SSH tunnel.
    #[serde(default)]
    pub use_ssh: bool,
    /// The tunnel's server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub ssh_host: Option<String>,
    /// The tunnel's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub ssh_port: Option<i64>,
    /// The name to log in to the tunnel with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub ssh_user: Option<String>,
    /// The colour it is shown in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub color: Option<String>,
    /// The icon it is shown with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub icon: Option<String>,
    /// Whatever else the client keeps.
    #[serde(default)]
    #[schema(value_type = Metadata)]
    pub metadata: BTreeMap<String, String>,
}

impl Connection {
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
