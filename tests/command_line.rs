//! The real program, by what it prints and how it ends.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dragoman");
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/dragoman.toml");
const GOOD: &str = "[[listener]]\naddress = \"127.0.0.1:8080\"\n\
                    dialects = [\"coolkit\", \"canonical\"]\nunsigned = [\"canonical\"]\n\
                    [upstream]\nkind = \"embedded\"\n\
                    [[app]]\nid = \"my-app\"\nsecrets = [\"env:MY_APP_SECRET\"]\n";
const BROKEN: &str =
    "[[listener]]\naddress = \"here\"\n[upstream]\nkind = \"embedded\"\n[limits]\nconections = 5\n";

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A command in an environment of its own: only what a test sets.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn end(command: &mut Command, stdin: &[u8]) -> Ended {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read its stdin may have closed it.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn dragoman(arguments: &[&str]) -> Ended {
    end(command(PROGRAM).args(arguments), b"")
}

/// Runs `check` on a config file of that text.
fn check(text: &str, arguments: &[&str]) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("test.toml"), text).unwrap();
    let mut command = command(PROGRAM);
    command.args(["check", "--offline", "-c", "test.toml"]).args(arguments);
    command.current_dir(directory.path()).env("MY_APP_SECRET", "for-my-app");
    end(&mut command, b"")
}

fn vectors() -> (String, Vec<Value>) {
    let file: Value = serde_json::from_str(include_str!("fixtures/coolkit-vectors.json")).unwrap();
    let secret = file["secret"].as_str().unwrap().to_owned();
    (secret, file["vectors"].as_array().unwrap().clone())
}

#[test]
fn sign_makes_all_ten_vectors_and_verify_takes_them() {
    let (secret, vectors) = vectors();
    assert_eq!(vectors.len(), 10);
    for vector in &vectors {
        let member = |name: &str| vector[name].as_str().unwrap();
        let (signed, sign) = (member("signed"), member("sign"));
        let with_secret = |arguments: &[&str], stdin: &str| {
            let mut command = command(PROGRAM);
            command.args(arguments).args(["--secret", "env:APP_SECRET"]);
            end(command.env("APP_SECRET", &secret), stdin.as_bytes())
        };
        let made = with_secret(&["sign"], signed);
        assert_eq!((made.code, made.stdout), (Some(0), format!("Sign {sign}\n")), "{}", made.stderr);
        let made = dragoman(&["sign", "--demo", "--query", signed]);
        assert_eq!(made.stdout, format!("Sign {sign}\n"));

        let checked = with_secret(&["verify", "--signature", sign], signed);
        assert_eq!(checked.code, Some(0), "{}: {}", member("id"), checked.stderr);
        let checked = with_secret(&["verify", "--signature", &format!("sign {sign}")], &format!("{signed} "));
        assert_eq!(checked.code, Some(1), "{}", member("id"));
        assert!(checked.stderr.starts_with("error: the Sign does not hold\n  cause: "));
    }
}

#[test]
fn verify_takes_a_query_in_any_order_that_clients_sign() {
    let (_, vectors) = vectors();
    let sorted = vectors.iter().find(|vector| vector["id"] == "get-sorted").unwrap();
    let unsorted = "ts=1558004249&nonce=2323dfgh&appid=McFJj4Noke1mGDZCR1QarGW7P9Ycp0Vr&deviceid=1000012345";
    let sign = sorted["sign"].as_str().unwrap();
    let checked = dragoman(&["verify", "--demo", "--signature", sign, "--query", unsorted]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    for command in [
        &["sign", "--secret", "hunter2", "--body", "x"][..],
        &[
            "verify",
            "--secret",
            "hunter2",
            "--body",
            "x",
            "--signature",
            "XuOzGxtG50CiF4H3odUfZsvKVl5+qSPzhfLEuUd4eJw=",
        ],
    ] {
        let ended = dragoman(command);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains("--secret env:NAME"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2") && ended.stdout.is_empty());
    }
    let missing = dragoman(&["sign", "--secret", "env:NOT_SET", "--body", "x"]);
    assert!(missing.stderr.contains("\"NOT_SET\" is not set"), "{}", missing.stderr);
}

#[test]
fn check_takes_the_shipped_file_and_the_demo() {
    let shipped = dragoman(&["check", "--offline", "-c", SHIPPED]);
    assert_eq!(shipped.code, Some(0), "{}", shipped.stdout);
    let demo = dragoman(&["check", "--offline"]);
    assert_eq!((demo.code, demo.stdout.as_str()), (Some(0), "good: 0 errors, 0 warnings\n"));
}

#[test]
fn check_tells_every_finding_with_its_place_and_a_hint() {
    let broken = check(BROKEN, &[]);
    assert_eq!(broken.code, Some(1));
    assert_eq!(
        broken.stdout,
        "test.toml:2:11: error: \"here\" is no address to listen on\n  \
         hint: write an IP address and a port: \"127.0.0.1:8080\", \"[::1]:8080\"; 0.0.0.0 is every IPv4 address\n\
         test.toml:6:1: error: unknown key `conections` in [limits]\n  hint: did you mean `connections`?\n\
         refused: 2 errors, 0 warnings\n"
    );
    let missing = dragoman(&["check", "-c", "/nowhere.toml"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stdout.starts_with("/nowhere.toml: error: can't read it"));
}

#[test]
fn check_verbose_tells_what_is_open_and_no_secret() {
    let good = check(GOOD, &["--verbose"]);
    assert_eq!(good.code, Some(0), "{}", good.stdout);
    assert_eq!(
        good.stdout,
        "listener 127.0.0.1:8080\n  coolkit: open to the apps below\n  \
         canonical: open to everybody, it has no signature\n\
         admin 127.0.0.1:9090: open to this machine\nupstream: embedded\n\
         app my-app: signature enforce, replay enforce, clock -300s +30s, live secrets 1, all operations\n\
         good: 0 errors, 0 warnings\n"
    );
    let closed = check(&GOOD.replace("unsigned = [\"canonical\"]", ""), &["--verbose"]);
    assert!(closed.stdout.contains("canonical: closed"), "{}", closed.stdout);
}

#[test]
fn run_refuses_a_broken_file_on_stderr() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.toml");
    fs::write(&path, BROKEN).unwrap();
    for arguments in [&["run", "-c"][..], &["-c"]] {
        let ended = end(command(PROGRAM).args(arguments).arg(&path), b"");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        assert!(ended.stderr.contains("test.toml:2:11: error: "), "{}", ended.stderr);
        assert!(ended.stderr.contains("test.toml:6:1: error: "), "{}", ended.stderr);
    }
}

#[test]
fn the_demo_refuses_to_leave_this_machine() {
    let ended = end(command(PROGRAM).env("DRAGOMAN_LISTEN", "0.0.0.0:8080"), b"");
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .stderr
            .starts_with("DRAGOMAN_LISTEN: error: the demo does not listen on 0.0.0.0:8080\n  hint: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_start_that_fails_tells_the_cause_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let start = |listen: &str, admin: &str, data: &Path| {
        let mut command = command(PROGRAM);
        command.env("DRAGOMAN_LISTEN", listen).env("DRAGOMAN_ADMIN_LISTEN", admin);
        end(command.env("DRAGOMAN_DATA_DIR", data), b"")
    };
    let data = directory.path().join("data");
    let no_directory = directory.path().join("file");
    fs::write(&no_directory, "").unwrap();
    let free = "127.0.0.1:0";
    for (ended, cause) in [
        (start(&taken, free, &data), format!("cause: can't listen on {taken} (clients): ")),
        (start(free, &taken, &data), format!("cause: can't listen on {taken} (admin): ")),
        (start(free, free, &no_directory), "cause: ".to_owned()),
    ] {
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        for part in ["error: can't ", &cause, "\n  hint: ", "DRAGOMAN_"] {
            assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
        }
    }
}

#[test]
fn a_gateway_that_does_not_answer_is_not_healthy() {
    // Port 1 is reserved, and nothing serves it.
    let ended = dragoman(&["healthcheck", "--url", "http://127.0.0.1:1/readyz"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("error: no answer from 127.0.0.1:1\n  cause: "));
    assert!(ended.stderr.contains("\n  hint: "));
    let overridden =
        end(command(PROGRAM).arg("healthcheck").env("DRAGOMAN_ADMIN_LISTEN", "127.0.0.1:1"), b"");
    assert!(overridden.stderr.starts_with("error: no answer from 127.0.0.1:1\n"), "{}", overridden.stderr);
}

#[test]
fn a_backup_is_restored_into_a_fresh_directory() {
    let directory = tempfile::tempdir().unwrap();
    let backend = |arguments: &[&str]| {
        let mut command = command(PROGRAM);
        command.arg("backend").args(arguments).current_dir(directory.path());
        end(&mut command, b"")
    };
    let settings = dragoman::config::Backend::at(&directory.path().join("data"), None);
    fs::create_dir(directory.path().join("data")).unwrap();
    let clock = std::sync::Arc::new(dragoman::clock::SystemClock);
    let open = dragoman::backend::Backend::open(&settings, clock).unwrap();
    let made = backend(&["backup", "accounts.backup"]);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    assert_eq!(made.stdout, "data/accounts.db is copied to accounts.backup\n");
    drop(open);
    let restored = backend(&["restore", "accounts.backup", "--data-dir", "elsewhere"]);
    assert_eq!((restored.code, restored.stderr.as_str()), (Some(0), ""));
    assert!(directory.path().join("elsewhere/accounts.db").is_file());

    let missing = backend(&["backup", "copy", "--data-dir", "nowhere"]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.starts_with("error: the embedded backend failed\n  cause: "),
        "{}",
        missing.stderr
    );
}

#[test]
fn wrong_usage_ends_with_2_and_says_how() {
    for arguments in [
        &["frobnicate"][..],
        &["sign"],
        &["sign", "--demo", "--body", "a", "--query", "b"],
        &["run", "--confg", "x"],
        &["backend", "--listen", "localhost"],
    ] {
        let ended = dragoman(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    }
}

#[test]
fn version_tells_people_and_programs() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(dragoman(&["version"]).stdout, format!("dragoman {version}\n"));
    let json: Value = serde_json::from_str(&dragoman(&["version", "--json"]).stdout).unwrap();
    assert_eq!((json["name"].as_str(), json["version"].as_str()), (Some("dragoman"), Some(version)));
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = dragoman(&["completions", shell]);
        assert_eq!(ended.code, Some(0));
        for command in [
            "run",
            "check",
            "translate",
            "test",
            "dialects",
            "sign",
            "verify",
            "backend",
            "healthcheck",
            "version",
        ] {
            assert!(ended.stdout.contains(command), "{shell} does not know {command}");
        }
    }
}

#[test]
fn the_manual_page_has_every_command_with_its_examples() {
    let page = dragoman(&["man"]).stdout;
    assert!(page.contains(".TH dragoman 1"), "{page}");
    for command in [
        "RUN",
        "CHECK",
        "TRANSLATE",
        "TEST",
        "DIALECTS",
        "SIGN",
        "VERIFY",
        "BACKEND",
        "HEALTHCHECK",
        "VERSION",
        "COMPLETIONS",
    ] {
        assert!(
            page.contains(&format!("DRAGOMAN\\-{command}")) || page.contains(&format!("DRAGOMAN-{command}")),
            "{command}"
        );
    }
    assert!(page.contains("new.toml"));
}

#[test]
fn no_color_is_honoured_even_where_colour_is_forced() {
    let help = |name: &str| {
        end(command(PROGRAM).arg("--confg").env(name, "1").env("CLICOLOR_FORCE", "1"), b"").stderr
    };
    assert!(help("UNRELATED").contains('\u{1b}'));
    assert!(!help("NO_COLOR").contains('\u{1b}'));
}

/// The examples in the help of a command.
fn examples(command: &str) -> Vec<String> {
    let help = dragoman(&[command, "--help"]).stdout;
    let lines = help.lines().filter_map(|line| line.strip_prefix("  $ "));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_examples_of_the_help_do_what_they_say() {
    let directory = tempfile::tempdir().unwrap();
    for config in ["dragoman.toml", "new.toml"] {
        fs::write(directory.path().join(config), GOOD).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("my-app.secret", "keep-this-for-examples\n");
    write("login.http", include_str!("fixtures/login.http"));
    write("answer.http", include_str!("fixtures/answer.http"));
    for folder in ["golden", "packs"] {
        fs::create_dir(directory.path().join(folder)).unwrap();
    }
    write("golden/login.json", include_str!("golden/coolkit/login.json"));
    write("packs/coolkit.toml", include_str!("../dialects/coolkit.toml"));
    let programs = Path::new(PROGRAM).parent().unwrap().display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    for name in ["check", "translate", "test", "dialects", "sign", "verify", "version", "completions", "man"]
    {
        let examples = examples(name);
        assert!(!examples.is_empty(), "{name} has no examples");
        for example in examples {
            let mut shell = command("sh");
            shell.args(["-c", &example]).current_dir(directory.path());
            shell.env("PATH", &path).env("MY_APP_SECRET", "for-my-app");
            let ended = end(&mut shell, b"");
            assert_eq!(ended.code, Some(0), "{example}\n{}{}", ended.stdout, ended.stderr);
        }
    }
}

#[test]
fn check_against_the_running_config_tells_reload_from_restart_and_no_value() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("running.toml", GOOD);
    let new =
        GOOD.replace("8080", "8081").replace("[\"env:MY_APP_SECRET\"]", "[\"n3w-s3cr3t\"]\nreplay = \"off\"");
    write("new.toml", &new);
    write("broken.toml", BROKEN);
    let against = |running: &str, new: &str| {
        let mut command = command(PROGRAM);
        command.args(["check", "--offline", "-c", new, "--against", running]);
        command.current_dir(directory.path()).env("MY_APP_SECRET", "for-my-app");
        end(&mut command, b"")
    };
    let ended = against("running.toml", "new.toml");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for line in [
        "restart: listener.address",
        "reload: app \"my-app\".secrets",
        "reload: app \"my-app\".replay (a guard gets weaker)",
    ] {
        assert!(ended.stdout.lines().any(|other| other == line), "{line} in {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("n3w-s3cr3t"));
    assert!(against("running.toml", "running.toml").stdout.contains("nothing changes\n"));
    assert_eq!(against("broken.toml", "running.toml").code, Some(1));
}
