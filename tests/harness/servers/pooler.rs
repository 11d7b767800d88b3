use super::{PostgresServer, Server, find_program, run_as_postgres};

/// Transaction pooler with two server connections.
pub struct PgBouncer {
    server: Server,
    target: String,
}

impl PgBouncer {
    /// Starts a pooler in front of the database at `url`, which comes from [`PostgresServer::database`].
    ///
    /// # Panics
    /// If the program is missing or does not start.
    pub async fn in_front_of(url: &str) -> Self {
        let pgbouncer = find_program("pgbouncer", &["/usr/sbin".into()]);
        let target = PostgresServer::shared().await.port();
        let mut server = Server::start(|folder, port| {
            let file = |name: &str| folder.join(name).display().to_string();
            let users = file("users.txt");
            std::fs::write(&users, "\"postgres\" \"\"\n").expect("the folder can be written to");
            let settings = format!(
                "[databases]\n* = host=127.0.0.1 port={target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {port}\nauth_type = trust\nauth_file = {users}\npool_mode = transaction\n\
                 default_pool_size = 2\nmax_client_conn = 100\nunix_socket_dir =\n"
            );
            std::fs::write(file("pgbouncer.ini"), settings).expect("the folder can be written to");
            let mut command = run_as_postgres(folder);
            command.extend([pgbouncer, file("pgbouncer.ini")]);
            command
        })
        .await;
        server.wait_until_listening("pgbouncer").await;
        Self { server, target: url.to_owned() }
    }

    /// URL, with the option that poolers require: no statement cache.
    pub fn url(&self) -> String {
        let (_, database) = self.target.rsplit_once('/').expect("a URL with a path");
        format!("postgres://postgres@127.0.0.1:{}/{database}&statement-cache-capacity=0", self.server.port)
    }
}
