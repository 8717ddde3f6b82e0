//! `dragoman translate` and `dragoman dialects`, by what they print.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dragoman");
const SECRET: &str = "k3pt-0ut-0f-sight";
const LOGIN: &str = "POST /v1/sessions\n\n{\"phone\":\"+8613800138001\",\"password\":\"a-fine-password\"}\n";
const SIGNED: &str = "POST /api/user/login HTTP/1.1\r\nContent-Type: application/json\r\n\r\n\
    {\"appid\":\"my-app\",\"phoneNumber\":\"+8613800138001\",\"password\":\"a-fine-password\",\
    \"ts\":1558004249,\"version\":8,\"nonce\":\"q3wz95p6\",\"seat\":\"12A\"}";

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// The body of the message that was printed.
    fn body(&self) -> Value {
        let (_, body) = self.stdout.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{}", self.stderr));
        serde_json::from_str(body).unwrap()
    }
}

fn translate(arguments: &str, stdin: &str) -> Ended {
    let mut child = Command::new(PROGRAM)
        .arg("translate")
        .args(arguments.split(' '))
        .env("MY_APP_SECRET", SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn a_request_is_signed_by_the_app_at_the_time_with_the_seed() {
    let options =
        "--from canonical --to coolkit --app my-app:env:MY_APP_SECRET --now 2019-05-16T10:57:29Z --seed 7";
    let ended = translate(options, LOGIN);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.starts_with("POST /api/user/login HTTP/1.1\r\n"), "{}", ended.stdout);
    let body = ended.body();
    assert_eq!((&body["appid"], &body["ts"]), (&"my-app".into(), &1_558_004_249.into()));
    let (head, raw) = ended.stdout.split_once("\r\n\r\n").unwrap();
    let signature = head.lines().find_map(|line| line.strip_prefix("Authorization: ")).unwrap();
    let verified = Command::new(PROGRAM)
        .args(["verify", "--secret", "env:MY_APP_SECRET", "--body", raw, "--signature", signature])
        .env("MY_APP_SECRET", SECRET)
        .output()
        .unwrap();
    assert!(verified.status.success());
    assert_eq!(translate(options, LOGIN).stdout, ended.stdout);
    assert_ne!(translate(&options.replace("seed 7", "seed 8"), LOGIN).stdout, ended.stdout);
}

#[test]
fn explain_shows_the_call_and_what_is_lost() {
    let ended = translate("--from coolkit --to shopxo --explain", SIGNED);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let (form, rest) = ended.stdout.split_once("\n# note: ").unwrap();
    let call: Value = serde_json::from_str(form.strip_prefix("# canonical call\n").unwrap()).unwrap();
    assert_eq!(call["phone"], "+8613800138001");
    assert_eq!(call["extensions"]["coolkit"]["seat"], "12A");
    assert!(
        rest.contains("# note: shopxo has no place for extensions.coolkit.seat: it is dropped\n"),
        "{rest}"
    );
    assert!(rest.contains("\n# request to shopxo\nPOST /"), "{rest}");
}

#[test]
fn an_answer_is_read_by_what_was_asked_for() {
    let saved = "HTTP/1.1 100 Continue\r\n\r\nHTTP/2 404 \r\ncontent-type: application/problem+json\r\n\r\n\
                 {\"type\":\"urn:dragoman:problem:account_not_found\",\"code\":\"account_not_found\"}";
    let ended = translate("--from canonical --to coolkit --operation login --explain", saved);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("\"code\": \"account_not_found\""), "{}", ended.stdout);
    assert!(ended.stdout.contains("{\"error\":404,"), "{}", ended.stdout);

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("login.http");
    std::fs::write(&file, SIGNED).unwrap();
    let good = "HTTP/1.1 201 Created\n\n{\"account\":{\"id\":\"7\"},\"session\":{\"access_token\":\"t\"},\"region\":\"cn\"}";
    let ended = translate(&format!("--from canonical --to coolkit --answers {}", file.display()), good);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.body()["user"]["appId"], "my-app");
    let unasked = translate("--from canonical --to coolkit", good);
    assert_eq!(unasked.code, Some(1));
    assert!(
        unasked.stderr.contains("\n  hint: add --operation register, or --answers FILE"),
        "{}",
        unasked.stderr
    );
}

#[test]
fn a_bad_request_prints_what_its_client_is_answered_and_ends_with_1() {
    let missing =
        translate("--from coolkit --to canonical", "POST /api/user/login\n\n{\"appid\":\"my-app\"}");
    assert_eq!(missing.code, Some(1));
    assert_eq!(missing.body()["error"], 400);
    assert!(missing.stderr.starts_with("error: the request is no good call of coolkit\n  cause: "));
    assert!(missing.stderr.contains("is missing (invalid_request)\n  hint: "), "{}", missing.stderr);

    let method = translate("--from canonical --to canonical", "PUT /v1/sessions\n\n{}");
    assert!(method.stdout.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{}", method.stdout);
    assert!(method.stdout.contains("\r\nAllow: POST\r\n"), "{}", method.stdout);

    let nobody = translate(
        "--from canonical --to coolkit --app my-app:env:MY_APP_SECRET",
        "GET /v1/accounts/me\nAuthorization: Bearer t\n\n",
    );
    assert_eq!((nobody.code, &nobody.body()["code"]), (Some(1), &"not_supported".into()));
    assert!(nobody.stderr.starts_with("error: coolkit can't say this call\n"), "{}", nobody.stderr);
}

#[test]
fn an_answer_that_says_nothing_known_is_told_and_ends_with_1() {
    let ended = translate("--from shopxo --to canonical --operation login", "HTTP/1.1 200 OK\n\n<html>");
    assert_eq!((ended.code, &ended.body()["code"]), (Some(1), &"upstream_unintelligible".into()));
    assert!(ended.stderr.starts_with("error: shopxo gives no such answer to login\n"), "{}", ended.stderr);
}

#[test]
fn settings_of_a_dialect_count_and_unknown_ones_are_told() {
    let answer = "HTTP/1.1 401 Unauthorized\n\n{\"code\":\"credentials_invalid\",\"status\":401}";
    let told = |set: &str| translate(&format!("--from canonical --to shopxo --operation login{set}"), answer);
    assert_eq!(told("").body()["data"], "");
    assert_eq!(told(" --set shopxo.empty_data=array").body()["data"], serde_json::json!([]));
    let unknown = told(" --set shopxo.empty=array");
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("no setting `empty`"), "{}", unknown.stderr);
    assert_eq!(told(" --set shopxo").code, Some(2));
}

#[test]
fn what_is_wrong_with_the_usage_has_cause_and_hint_and_no_secret() {
    for (arguments, stdin, said) in [
        ("--from canonical --to coolkitt", LOGIN, "did you mean `coolkit`?"),
        ("--from canonical --to coolkit", LOGIN, "--app my-app:env:MY_APP_SECRET"),
        ("--from canonical --to coolkit --app my-app:hunter2", LOGIN, "--app names no id"),
        ("--from canonical --to coolkit --app my-app:env:NOT_SET", LOGIN, "\"NOT_SET\" is not set"),
        ("--from canonical --to shopxo", "nonsense", "cause: line 1: "),
        ("--from canonical --to shopxo --response", LOGIN, "has a request, not an answer"),
        ("--from canonical --to shopxo --request", "HTTP/1.1 200 OK\n\n", "has an answer, not a request"),
        ("--from canonical --to shopxo --operation logon", "HTTP/1.1 200 OK\n\n", "did you mean `login`?"),
    ] {
        let ended = translate(arguments, stdin);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{arguments}");
        assert!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains("\n  hint: "),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2") && !ended.stderr.contains(SECRET));
    }
}

#[test]
fn a_region_query_is_answered_by_the_gateway_itself() {
    let ended = translate("--from canonical --to shopxo", "GET /v1/region?country_calling_code=86\n\n");
    assert_eq!((ended.code, &ended.body()["region"]), (Some(0), &"cn".into()));
    assert!(ended.stderr.starts_with("note: the gateway answers this itself"));
}

#[test]
fn dialects_tells_what_each_has_and_why_not() {
    let run = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).arg("dialects").args(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let told = run(&[]);
    let rows: Vec<Vec<&str>> = told.lines().take(12).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["operation", "coolkit", "qingzhenyun", "discuzq", "shopxo", "canonical"]);
    assert!(rows.contains(&vec!["login", "yes", "yes", "yes", "yes", "yes"]));
    assert!(rows.contains(&vec!["region", "yes", "–", "–", "–", "yes"]), "{told}");
    assert!(
        told.contains("\n  no logout: a new login ends the old token; there is no call for it\n"),
        "{told}"
    );
    assert!(told.contains("\n  setting numbers: text (default), integer; "), "{told}");

    let listed: Value = serde_json::from_str(&run(&["--json"])).unwrap();
    let coolkit = &listed[0];
    assert_eq!((&coolkit["name"], &coolkit["signature"]), (&"coolkit".into(), &"coolkit".into()));
    assert!(coolkit["lacks"]["me"].is_string());
    let has = coolkit["operations"].as_array().unwrap();
    assert_eq!(has.len() + coolkit["lacks"].as_object().unwrap().len(), 11);
}

#[test]
fn dialects_tells_by_which_names_an_account_goes_and_what_codes_are_for() {
    let output = Command::new(PROGRAM).args(["dialects", "--json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let find =
        |name: &str| listed.as_array().unwrap().iter().find(|dialect| dialect["name"] == name).unwrap();
    for (dialect, operation, names) in [
        ("coolkit", "register", json!(["phone", "email"])),
        ("qingzhenyun", "register", json!(["phone"])),
        ("qingzhenyun", "login", json!(["phone", "username"])),
        ("discuzq", "register", json!(["phone", "username"])),
        ("discuzq", "reset_password", json!(["phone"])),
        ("shopxo", "login", json!(["phone", "email", "username"])),
        ("canonical", "login_code", json!(["phone", "email"])),
    ] {
        assert_eq!(find(dialect)["names"][operation], names, "{dialect} {operation}");
    }
    assert_eq!(find("coolkit")["names"]["login_code"], Value::Null);
    assert_eq!(find("coolkit")["codes"]["reset_password"], json!(["phone", "email"]));
    assert_eq!(find("coolkit")["codes"]["login"], Value::Null);
    assert_eq!(find("shopxo")["codes"]["login"], json!(["phone", "email"]));
}
