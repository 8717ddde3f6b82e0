//! The real binary, started on free ports with a directory of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::coolkit::App;
use super::http;

const BINARY: &str = env!("CARGO_BIN_EXE_dragoman");
/// Far above what a start takes on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What the tests log in with, and how all their phone numbers begin: no process may print them.
const NEVER_PRINTED: [&str; 2] = ["a-fine-password", "13800138"];

/// A directory with config, secrets and data, which outlives the processes that use it.
pub struct House {
    directory: Arc<TempDir>,
    config: String,
    secrets: Vec<String>,
}

impl House {
    /// With the embedded backend.
    pub fn embedded(apps: &[&App]) -> Self {
        Self::new(apps, "[upstream]\nkind = \"embedded\"\n")
    }

    /// In front of a canonical upstream, with deadlines that a test can wait for.
    pub fn in_front_of(upstream: SocketAddr, apps: &[&App]) -> Self {
        let upstream = format!(
            "[upstream]\nkind = \"http\"\ndialect = \"canonical\"\naddresses = [\"{upstream}\"]\n\
             host = \"backend.example\"\nconnect_timeout = \"1s\"\nfirst_byte_timeout = \"1s\"\n\
             total_timeout = \"2s\"\nanswer_size = \"64KiB\"\n"
        );
        Self::new(apps, &upstream)
    }

    /// With this text for a config.
    pub fn of(config: String) -> Self {
        Self { directory: Arc::new(tempfile::tempdir().unwrap()), config, secrets: Vec::new() }
    }

    /// In front of a backend of any dialect.
    pub fn translating(dialect: &str, upstream: SocketAddr, app: &App) -> Self {
        let signs = format!("app = {{ id = {:?}, secret = {:?} }}\n", app.id, app.secret);
        let signs = if dialect == "coolkit" { signs } else { String::new() };
        let upstream = format!(
            "[upstream]\nkind = \"http\"\ndialect = {dialect:?}\naddresses = [\"{upstream}\"]\n{signs}"
        );
        Self::new(&[app], &upstream)
    }

    /// Open to clients of these dialects, which do not wait between two codes.
    pub fn for_clients_of(mut self, dialects: &[&str]) -> Self {
        let unsigned: Vec<_> = dialects.iter().filter(|dialect| **dialect != "coolkit").collect();
        let open = format!("dialects = {dialects:?}\nunsigned = {unsigned:?}\n");
        self.config = self.config.replace("dialects = [\"coolkit\"]\n", &open);
        self.with("[throttle]\ndestination_interval = \"off\"\n")
    }

    /// With these keys in its `[[listener]]`.
    pub fn listening_with(mut self, keys: &str) -> Self {
        let address = "[[listener]]\naddress = \"127.0.0.1:0\"\n";
        assert!(self.config.contains(address));
        self.config = self.config.replace(address, &format!("{address}{keys}\n"));
        self
    }

    /// With these keys in front of all sections.
    pub fn beginning_with(mut self, keys: &str) -> Self {
        self.config = format!("{keys}\n{}", self.config);
        self
    }

    /// With the dialects of a directory of packs.
    pub fn with_packs(mut self, directory: &Path) -> Self {
        self.config = format!("dialects_dir = {directory:?}\n{}", self.config);
        self
    }

    fn new(apps: &[&App], upstream: &str) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let data = directory.path().join("data");
        let mut config = format!(
            "data_dir = {data:?}\n\n\
             [[listener]]\naddress = \"127.0.0.1:0\"\ndialects = [\"coolkit\"]\n\n\
             [admin]\naddress = \"127.0.0.1:0\"\n\n{upstream}\n\
             [limits]\nconnections_per_address = \"off\"\ncalls_per_second_per_address = \"off\"\n\n\
             [shutdown]\ndrain_delay = \"0s\"\n"
        );
        let mut secrets = NEVER_PRINTED.map(str::to_owned).to_vec();
        for app in apps {
            secrets.push(app.secret.clone());
            let secret = directory.path().join(format!("{}.secret", app.id));
            fs::write(&secret, &app.secret).unwrap();
            config += &format!(
                "\n[[app]]\nid = {:?}\nsecrets = [\"file:{}\"]\nsignature = \"enforce\"\nreplay = \"enforce\"\n\
                 clock_window = {{ past = \"300s\", future = \"30s\" }}\n",
                app.id,
                secret.display()
            );
        }
        Self { directory, config, secrets }
    }

    /// The same with more in its config.
    pub fn with(mut self, config: &str) -> Self {
        self.config += &format!("\n{config}");
        self
    }

    /// With a memory that others share. The future window is short, because it is also how long new
    /// servers of Redis are not believed; the time-out is long, because the machine may be busy.
    pub fn sharing(mut self, redis: &str) -> Self {
        let key = self.directory.path().join("state.key");
        fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
        self.config = self.config.replace("future = \"30s\"", "future = \"1s\"");
        let seal = "5ea1".repeat(16);
        self.config += &format!("\n[seal]\nkeys = [{{ id = \"suite\", secret = {seal:?} }}]\n");
        self.secrets.push(seal);
        self.config += &format!(
            "\n[store]\nkind = \"redis\"\nurls = [{redis:?}]\ninstances = 2\ntimeout = \"1s\"\nstate_key = \"file:{}\"\n",
            key.display()
        );
        self
    }

    /// Where it works.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The gateway's data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Puts another text in the place of every occurrence of one in the config; a running gateway
    /// sees it when it reloads.
    pub fn change(&mut self, from: &str, to: &str) {
        assert!(self.config.contains(from), "{from:?} is not in the config");
        self.config = self.config.replace(from, to);
        self.write();
    }

    /// Adds to the end of the config.
    pub fn append(&mut self, text: &str) {
        self.config += text;
        self.write();
    }

    fn write(&self) {
        fs::write(self.directory.path().join("dragoman.toml"), &self.config).unwrap();
    }

    /// What `dragoman check` says of the config.
    pub fn check(&self) -> Output {
        self.write();
        let config = self.directory.path().join("dragoman.toml");
        Command::new(BINARY).arg("check").arg("-c").arg(config).output().unwrap()
    }

    /// Starts a gateway and waits until it listens.
    pub fn start(&self) -> Gateway {
        self.start_with(&[])
    }

    /// The same with environment variables.
    pub fn start_with(&self, environment: &[(&str, &str)]) -> Gateway {
        let mut command = self.command();
        command.envs(environment.iter().copied());
        self.spawn(command)
    }

    /// Starts a gateway that takes over from the one that runs, and waits until it has.
    pub fn upgrade(&self) -> Gateway {
        let mut command = self.command();
        command.arg("--upgrade");
        self.spawn(command)
    }

    /// The command that starts a gateway with the config of now.
    pub fn command(&self) -> Command {
        self.write();
        let mut command = Command::new(BINARY);
        command.arg("run").arg("-c").arg(self.directory.path().join("dragoman.toml"));
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    /// Runs such a command and waits until it listens.
    pub fn spawn(&self, command: Command) -> Gateway {
        let mut gateway = Gateway::spawn(command, self.directory.path());
        gateway.secrets.clone_from(&self.secrets);
        gateway._directory = Some(Arc::clone(&self.directory));
        gateway
    }
}

/// The demo: no config file at all.
pub fn demo(directory: &Path) -> Gateway {
    let mut command = Command::new(BINARY);
    command
        .arg("run")
        .env("DRAGOMAN_LISTEN", "127.0.0.1:0")
        .env("DRAGOMAN_ADMIN_LISTEN", "127.0.0.1:0")
        .env("DRAGOMAN_DATA_DIR", directory.join("data"))
        .stdin(Stdio::null());
    Gateway::spawn(command, directory)
}

/// The embedded backend alone, at the returned address.
pub fn backend(directory: &Path) -> Gateway {
    let mut command = Command::new(BINARY);
    command.args(["backend", "--listen", "127.0.0.1:0"]).env("DRAGOMAN_DATA_DIR", directory.join("data"));
    command.stdin(Stdio::null());
    Gateway::spawn_without_admin(command, directory)
}

/// A running process, killed when it is dropped; what it printed is searched for secrets then, whatever the
/// test was about.
pub struct Gateway {
    child: Child,
    printed: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
    /// Where clients connect.
    pub http: SocketAddr,
    admin: Option<SocketAddr>,
    /// The demo's banner shows a sample password, so there are none for the demo.
    secrets: Vec<String>,
    /// Stays as long as somebody works in it.
    _directory: Option<Arc<TempDir>>,
}

impl Gateway {
    fn spawn(command: Command, directory: &Path) -> Self {
        let gateway = Self::spawn_with(command, directory, &["http", "admin"]);
        assert!(gateway.admin.is_some());
        gateway
    }

    fn spawn_without_admin(command: Command, directory: &Path) -> Self {
        Self::spawn_with(command, directory, &["http"])
    }

    fn spawn_with(mut command: Command, directory: &Path, kinds: &[&str]) -> Self {
        let mut child =
            command.current_dir(directory).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = mpsc::channel();
        let readers = vec![
            collect(child.stdout.take().unwrap(), &printed, sender.clone()),
            collect(child.stderr.take().unwrap(), &printed, sender),
        ];
        let http = ([127, 0, 0, 1], 0).into();
        let secrets = Vec::new();
        let mut gateway = Self { child, printed, readers, http, admin: None, secrets, _directory: None };
        let deadline = Instant::now() + START_LIMIT;
        for kind in kinds {
            let address = gateway.wait_for_address(&lines, kind, deadline);
            match *kind {
                "http" => gateway.http = address,
                _ => gateway.admin = Some(address),
            }
        }
        gateway
    }

    fn wait_for_address(&self, lines: &Receiver<String>, kind: &str, deadline: Instant) -> SocketAddr {
        let prefixes = [format!("listening {kind} "), format!("listening {kind}s ")];
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let address = prefixes.iter().find_map(|prefix| line.split_once(prefix));
                    if let Some((_, address)) = address {
                        return address.trim().parse().unwrap();
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no '{prefixes:?}' in: {}", self.printed()),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended: {}", self.printed()),
            }
        }
    }

    /// Where operators connect.
    pub fn admin(&self) -> SocketAddr {
        self.admin.expect("this process has no admin listener")
    }

    /// Where clients of TLS connect, if another listener than the first has it.
    pub fn https(&self) -> SocketAddr {
        let printed = self.printed();
        let address = printed.lines().find_map(|line| line.split_once("listening https "));
        address.expect("a listener with TLS").1.trim().parse().unwrap()
    }

    /// What the system says of the process's memory, in bytes: `VmRSS` now, `VmHWM` at most.
    pub fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Has the most memory counted anew.
    pub fn forget_memory_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    /// Everything printed so far, on both streams.
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// What `/metrics` says.
    pub fn metrics(&self) -> String {
        http::get(self.admin(), "/metrics").body
    }

    /// What `/metrics` says once it has a line that begins with `start` and is not zero: a call is counted
    /// after the last byte of its answer. After five seconds, whatever it says then.
    pub fn metrics_with(&self, start: &str) -> String {
        let counted = |line: &str| line.starts_with(start) && !line.ends_with(" 0");
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let metrics = self.metrics();
            if metrics.lines().any(counted) || Instant::now() > deadline {
                return metrics;
            }
            thread::yield_now();
        }
    }

    /// The value of one series; zero as long as nothing was counted there.
    pub fn metric(&self, series: &str) -> i64 {
        let metrics = self.metrics();
        let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Waits until one series has this value: what ends is counted a moment later.
    pub fn wait_for_metric(&self, series: &str, value: i64) {
        let deadline = Instant::now() + START_LIMIT;
        while self.metric(series) != value {
            assert!(Instant::now() < deadline, "{series} is not {value}: {}", self.metrics());
            thread::yield_now();
        }
    }

    /// The newest code sent to a phone or e-mail.
    pub fn code(&self, to: &str) -> String {
        let outbox = http::get(self.admin(), "/outbox.json").json();
        let message = outbox.as_array().unwrap().iter().find(|message| message["to"] == to);
        let message = message.unwrap_or_else(|| panic!("nothing was sent to {to}"));
        message["code"].as_str().unwrap().to_owned()
    }

    /// Ends the process as a crash would.
    pub fn crash(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has the config read again, and tells whether it was taken.
    pub fn reload(&self) -> bool {
        let counts = || {
            let metrics = self.metrics();
            ["success", "failure"].map(|result| {
                let start = format!("dragoman_config_reloads_total{{result=\"{result}\"}} ");
                let count = metrics.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
                count.parse::<u64>().unwrap()
            })
        };
        // What is logged of it comes over a pipe of its own, perhaps later.
        let told = || self.printed().matches("reloaded").count();
        let (before, told_before) = (counts(), told());
        self.signal("HUP");
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let after = counts();
            if after != before && told() > told_before {
                return after[0] > before[0];
            }
            assert!(Instant::now() < deadline, "no reload");
            thread::yield_now();
        }
    }

    /// Waits until the process has ended by itself, and with it both its streams.
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_for_streams();
        self.wait_alone()
    }

    /// Waits until the process has ended by itself, though one that it started may go on.
    pub fn wait_alone(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Waits until nobody writes to its streams any more.
    pub fn wait_for_streams(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }

    /// The process, as the system numbers it.
    pub fn process(&self) -> String {
        self.child.id().to_string()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = format!("kill -{name} \"$0\"");
        assert!(Command::new("sh").args(["-c", &kill, &pid]).status().unwrap().success());
    }

    /// Does what Ctrl-C does, and tells how the process ended and how long that took.
    pub fn interrupt(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        self.signal("INT");
        (self.wait(), start.elapsed())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- what the process printed\n{}---", self.printed());
            return;
        }
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let printed = self.printed();
        for secret in &self.secrets {
            assert!(!printed.contains(secret.as_str()), "{secret} was printed: {printed}");
        }
    }
}

fn collect(
    stream: impl Read + Send + 'static,
    printed: &Arc<Mutex<String>>,
    lines: Sender<String>,
) -> thread::JoinHandle<()> {
    let printed = Arc::clone(printed);
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            *printed.lock().unwrap() += &format!("{line}\n");
            // Nobody waits for lines once the addresses are known.
            let _ = lines.send(line);
        }
    })
}
