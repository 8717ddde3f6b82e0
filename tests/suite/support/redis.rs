//! Real Redis servers: alone on a socket file, or several on ports of 127.0.0.1 that were free.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Client, Connection};
use tempfile::TempDir;

use super::tools::tool;

/// Far above what anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A server, ended when it is dropped.
pub struct RedisServer {
    directory: TempDir,
    options: Vec<String>,
    address: String,
    child: Option<Child>,
    /// The port, where it has one.
    pub port: u16,
}

impl RedisServer {
    /// Alone, on a socket file.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more options.
    pub fn start_with(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("redis.sock");
        let mut all = vec!["--port".to_owned(), "0".to_owned(), "--unixsocket".to_owned()];
        all.push(socket.display().to_string());
        all.extend(options.iter().map(|option| (*option).to_owned()));
        Self::run(directory, all, format!("unix:{}", socket.display()), 0)
    }

    /// On a free port.
    pub fn on_port(options: &[&str]) -> Self {
        let port = free_port();
        let mut all =
            vec!["--bind".to_owned(), "127.0.0.1".to_owned(), "--port".to_owned(), port.to_string()];
        all.extend(options.iter().map(|option| (*option).to_owned()));
        Self::run(tempfile::tempdir().unwrap(), all, format!("redis://127.0.0.1:{port}"), port)
    }

    /// A Sentinel that watches the master of this port.
    pub fn sentinel(master: u16) -> Self {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let file = directory.path().join("sentinel.conf");
        let text = format!(
            "bind 127.0.0.1\nport {port}\nsentinel monitor accounts 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds accounts 500\nsentinel failover-timeout accounts 3000\n"
        );
        fs::write(&file, text).unwrap();
        let options = vec![file.display().to_string(), "--sentinel".to_owned()];
        Self::run(directory, options, format!("redis://127.0.0.1:{port}"), port)
    }

    fn run(directory: TempDir, options: Vec<String>, address: String, port: u16) -> Self {
        let mut server = Self { directory, options, address, child: None, port };
        server.restart();
        server
    }

    /// Starts it, again after a crash, and waits until it answers.
    pub fn restart(&mut self) {
        let mut command = Command::new(tool("bin/redis-server"));
        command.args(&self.options);
        if !self.options.iter().any(|option| option == "--sentinel") {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        command.current_dir(self.directory.path()).stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        wait_until("Redis answers", || {
            let answers = |mut connection| redis::cmd("PING").query::<String>(&mut connection).is_ok();
            self.client().get_connection().is_ok_and(answers)
        });
    }

    /// The address as the config wants it.
    pub fn url(&self) -> &str {
        &self.address
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::open(self.address.replace("unix:", "unix://")).unwrap()
    }

    /// A connection for looking around.
    pub fn connection(&self) -> Connection {
        self.client().get_connection().unwrap()
    }

    /// Asks one thing, words separated by spaces.
    pub fn ask<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut question = redis::cmd(words.next().unwrap());
        question.arg(words.collect::<Vec<_>>());
        question.query(&mut self.connection()).unwrap()
    }

    /// Ends it as a crash would.
    pub fn crash(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Lets it hang: connections stay and nothing is answered.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Every key and value, as they are.
    pub fn everything(&self) -> Vec<u8> {
        let mut connection = self.connection();
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        let mut all = Vec::new();
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
            let question = match kind.as_str() {
                "string" => redis::cmd("GET").arg(&key).to_owned(),
                "zset" => redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES").to_owned(),
                other => panic!("nothing here makes a {other}"),
            };
            let value: redis::Value = question.query(&mut connection).unwrap();
            all.extend(key);
            append(&mut all, &value);
            all.push(b'\n');
        }
        all
    }
}

/// All bytes of a value, one after the other.
fn append(all: &mut Vec<u8>, value: &redis::Value) {
    match value {
        redis::Value::BulkString(bytes) => all.extend(bytes),
        redis::Value::Array(values) => values.iter().for_each(|value| append(all, value)),
        other => panic!("{other:?} is no value of a key"),
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Fails only when it has ended already; a frozen one is killed all the same.
        self.crash();
    }
}

/// Three masters that share all slots.
pub struct RedisCluster {
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    pub fn start() -> Self {
        let nodes: Vec<(RedisServer, String)> = (0..3).map(|_| Self::node()).collect();
        for (index, (node, _)) in nodes.iter().enumerate() {
            let (first, last) = [(0, 5460), (5461, 10922), (10923, 16383)][index];
            let _: () = node.ask(&format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1));
            let _: () = node.ask(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            for (other, bus) in &nodes {
                let _: () = node.ask(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", other.port));
            }
        }
        for (node, _) in &nodes {
            wait_until("the cluster is whole", || {
                let info: String = node.ask("CLUSTER INFO");
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            });
        }
        Self { nodes: nodes.into_iter().map(|(node, _)| node).collect() }
    }

    /// A server that belongs to no cluster yet, and the port on which such servers find each other.
    fn node() -> (RedisServer, String) {
        let bus = free_port().to_string();
        let options = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"];
        (RedisServer::on_port(&options), bus)
    }

    /// A replica of the first node, which takes over whenever that one dies, however long it heard nothing.
    pub fn add_replica(&self) -> RedisServer {
        let (replica, bus) = Self::node();
        let _: () = replica.ask("CONFIG SET cluster-replica-validity-factor 0");
        let (first, port) = (&self.nodes[0], replica.port);
        let _: () = first.ask(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
        let id: String = first.ask("CLUSTER MYID");
        wait_until("the cluster knows the replica", || {
            let knows =
                |node: &RedisServer| node.ask::<String>("CLUSTER INFO").contains("cluster_known_nodes:4");
            knows(&replica) && self.nodes.iter().all(knows)
        });
        let _: () = replica.ask(&format!("CLUSTER REPLICATE {id}"));
        wait_until("the replica follows", || {
            replica.ask::<String>("INFO replication").contains("master_link_status:up")
        });
        replica
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits for a state of another process, which nothing announces.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
