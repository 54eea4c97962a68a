//! The real program over a folder of its own: started, watched and ended in every way there is.

use std::{
    fs,
    io::{Read, Write},
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

use countersign_client::Client;
use tempfile::TempDir;
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// How long a start or an end may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The program that was built beside this test.
pub fn program() -> PathBuf {
    beside(Path::new("countersign"), "cargo build")
}

/// An example of the client that was built beside this test.
pub fn example(name: &str) -> PathBuf {
    beside(
        &Path::new("examples").join(name),
        "cargo build --workspace --examples",
    )
}

fn beside(name: &Path, remedy: &str) -> PathBuf {
    // A test is <target>/<profile>/deps/NAME, a program is <target>/<profile>/NAME.
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.is_file(),
        "{} is not there: run `{remedy}` first",
        path.display()
    );
    path
}

/// The program without the settings that the test's own environment may hold.
pub fn command() -> Command {
    cleaned(&program())
}

/// A program without the settings that the test's own environment may hold.
pub fn cleaned(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("COUNTERSIGN_") || name == "RUST_LOG" {
            command.env_remove(&*name);
        }
    }
    command
}

/// 64 hex characters that nobody else has.
pub fn random_hex() -> String {
    format!(
        "{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    )
}

/// A folder with all that `serve` needs: configuration, key-encryption key, and a store with its first token.
pub struct Site {
    folder: TempDir,
    pub token: String,
    pub kek: String,
    extra: String,
}

impl Site {
    pub fn new() -> Self {
        Self::with("")
    }

    /// With further lines in the configuration file: top-level keys first, then sections.
    pub fn with(extra: &str) -> Self {
        let mut site = Self::without_store();
        site.init();
        site.extra = extra.to_owned();
        site.write("countersign.toml", &site.configuration(), 0o644);
        site
    }

    /// Before its store and first token are made.
    pub fn without_store() -> Self {
        let site = Self {
            folder: TempDir::new().unwrap(),
            token: String::new(),
            kek: random_hex(),
            extra: String::new(),
        };
        site.write("kek", &site.kek, 0o600);
        site.write("countersign.toml", &site.configuration(), 0o644);
        site
    }

    /// Makes the first token.
    pub fn init(&mut self) {
        let mut init = command();
        init.arg("init")
            .arg("--config")
            .arg(self.path("countersign.toml"))
            .arg("--out")
            .arg(self.path("token"));
        let (output, _) = finish(&mut init, PATIENCE);
        assert!(output.status.success(), "{output:?}");
        let token = fs::read_to_string(self.path("token")).unwrap();
        self.token = token.trim_end().to_owned();
    }

    /// The text of the configuration file.
    pub fn configuration(&self) -> String {
        format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = {:?}\nkey_encryption.key_file = {:?}\n{}",
            self.data_dir(),
            self.path("kek"),
            self.extra,
        )
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    pub fn database(&self) -> PathBuf {
        self.data_dir().join("countersign.db")
    }

    /// Writes a file anew, with this mode.
    pub fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        // The mask of the process may have taken something away.
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// `countersign serve` over the configuration file.
    pub fn serve_command(&self) -> Command {
        let mut serve = command();
        serve
            .arg("serve")
            .arg("--config")
            .arg(self.path("countersign.toml"));
        serve
    }

    /// Starts `serve` with a failpoint of a debug build armed, and returns at once.
    pub fn spawn_armed(&self, failpoint: &str) -> Running {
        self.spawn_with(&[("FAILPOINT", failpoint)])
    }

    /// Starts `serve` with these variables, and returns at once.
    pub fn spawn_with(&self, variables: &[(&str, &str)]) -> Running {
        let mut serve = self.serve_command();
        serve.envs(variables.iter().copied());
        Running::spawn(serve, &self.path("log"))
    }

    /// Starts `serve` and returns at once.
    pub fn spawn(&self) -> Running {
        Running::spawn(self.serve_command(), &self.path("log"))
    }

    /// Starts `serve` and waits until it serves.
    pub async fn serve(&self) -> Running {
        let mut running = self.spawn();
        running.until_logged();
        running.until_serving().await;
        running
    }

    /// Everything logged by the latest start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// A client that shows the token and waits for the disk, which may be busy with something else for seconds.
    pub async fn client(&self, running: &Running) -> Client {
        Client::builder(format!("http://{}", running.address()))
            .token(self.token.clone().into())
            .deadline(PATIENCE)
            .connect()
            .await
            .unwrap()
    }
}

/// Shows a bearer token with every call.
#[derive(Clone)]
pub struct Bearer(pub String);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value: MetadataValue<_> = format!("Bearer {}", self.0).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// A channel that shows a bearer token.
pub type BearerChannel = InterceptedService<Channel, Bearer>;

/// A process of the program. Dropping it kills it.
pub struct Running {
    child: Child,
    log: PathBuf,
    address: Option<SocketAddr>,
    start: Instant,
}

impl Running {
    /// Starts a server that logs into a new file.
    pub fn spawn(mut command: Command, log: &Path) -> Self {
        let file = fs::File::create(log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let start = Instant::now();
        Self {
            child: command.spawn().unwrap(),
            log: log.to_owned(),
            address: None,
            start,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    pub fn start(&self) -> Instant {
        self.start
    }

    pub fn address(&self) -> SocketAddr {
        self.address.expect("it was waited for")
    }

    /// Says where it listens, for a server that does not log it.
    pub fn listens_on(&mut self, address: SocketAddr) {
        self.address = Some(address);
    }

    /// Waits for the log line that says where it listens.
    pub fn until_logged(&mut self) {
        self.until(address_in);
    }

    /// Waits until it serves, or has ended; tells whether it serves.
    pub async fn serves_or_ends(&mut self) -> bool {
        loop {
            let ended = self.has_ended();
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(address) = address_in(&log) {
                self.address = Some(address);
                if self.serves().await {
                    return true;
                }
            }
            if ended {
                return false;
            }
            assert!(self.start.elapsed() < PATIENCE, "it does not start: {log}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until what it wrote says where it listens.
    pub fn until(&mut self, address: impl Fn(&str) -> Option<SocketAddr>) {
        loop {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(address) = address(&log) {
                self.address = Some(address);
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended with {status}: {log}");
            }
            assert!(self.start.elapsed() < PATIENCE, "it does not start: {log}");
            sleep(Duration::from_millis(2));
        }
    }

    /// Waits until health answers SERVING.
    pub async fn until_serving(&self) {
        while !self.serves().await {
            assert!(self.start.elapsed() < PATIENCE, "it does not serve");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn serves(&self) -> bool {
        let Ok(channel) = self.endpoint().connect().await else {
            return false;
        };
        let check = HealthCheckRequest::default();
        let answered = HealthClient::new(channel).check(check).await;
        answered.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving)
    }

    pub fn endpoint(&self) -> Endpoint {
        Channel::from_shared(format!("http://{}", self.address())).unwrap()
    }

    pub async fn channel(&self) -> Channel {
        self.endpoint().connect().await.unwrap()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends it as a crash would, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; tells how it ended and how long that took. Clients go on meanwhile.
    pub async fn wait(&mut self, limit: Duration) -> (ExitStatus, Duration) {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, begin.elapsed());
            }
            assert!(begin.elapsed() < limit, "it goes on after {limit:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends its standard input, if the command was given one.
    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Whether it has ended by now.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the log line that says that it serves.
fn address_in(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("\"serving\""))?;
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line["address"].as_str()?.parse().ok()
}

/// Runs a command that should end by itself; tells how long it took.
pub fn finish(command: &mut Command, limit: Duration) -> (Output, Duration) {
    let begin = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More than a pipe holds would stop it, so it is read as it comes.
    let stdout = read_aside(child.stdout.take());
    let stderr = read_aside(child.stderr.take());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > limit {
            child.kill().unwrap();
            let said = String::from_utf8_lossy(&stderr.join().unwrap()).into_owned();
            panic!("it goes on after {limit:?}: {said}");
        }
        sleep(Duration::from_millis(5));
    };
    let took = begin.elapsed();
    let output = Output {
        status,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    };
    (output, took)
}

fn read_aside(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        pipe.expect("it was piped").read_to_end(&mut text).unwrap();
        text
    })
}
