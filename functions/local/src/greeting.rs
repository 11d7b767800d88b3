use std::net::SocketAddr;

use local::Config;

/// Text for the person who has just started the server.
pub(crate) fn greeting(address: SocketAddr, config: &Config) -> String {
    let stores = &config.stores;
    let folder = stores.data_dir.display();
    let server_or_folder =
        |is_server: bool, server: &str| if is_server { server.to_owned() } else { folder.to_string() };
    let emails = match config.email.resend {
        Some(_) => "sent through Resend".to_owned(),
        None => format!("written to {folder}/outbox"),
    };
    let links = if address.ip().is_unspecified() && config.email.public_url.ends_with(&address.to_string()) {
        format!(
            "\n  links      lead to {}: set PUBLIC_URL to an address that readers can open",
            config.email.public_url
        )
    } else {
        String::new()
    };
    format!(
        "SQL Studio Sync is listening on http://{address}

  accounts   {}
  sync data  {}
  sessions   {}
  emails     {emails}{links}

API reference: http://{address}/docs; a walk-through is in README.md. Stop with Ctrl-C.
",
        server_or_folder(stores.postgres.is_some(), "PostgreSQL (DATABASE_URL)"),
        server_or_folder(stores.turso.is_some(), "libSQL (TURSO_DATABASE_URL)"),
        server_or_folder(stores.redis.is_some(), "Redis (REDIS_URL)"),
    )
}
