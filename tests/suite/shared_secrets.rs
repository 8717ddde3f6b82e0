//! What Redis holds of calls: nothing by which somebody who reads it could tell a person, a code or a token.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::Md5;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::shared_throttle::{
    CHALLENGE, answer, ask, canonical_send, coolkit_send, house, post, sent, warmed,
};
use crate::support::gateway::Gateway;
use crate::support::redis::RedisServer;
use crate::support::upstream::{Fault, FaultyUpstream, signed_in};

const CODE: &str = "938274";

/// What binds a phone whose code was right, at the backend.
const BIND_TOKEN: &str = "b1nd-token-of-the-backend";

fn unknown_account() -> Fault {
    let problem = json!({"type": "urn:dragoman:problem:account_not_found", "code": "account_not_found",
                         "status": 404, "bind_token": BIND_TOKEN});
    answer("404 Not Found", &problem)
}

/// A phone number in its forms, as it is and hashed as somebody would who tries all numbers.
fn hashes(phone: &str) -> Vec<Vec<u8>> {
    let forms = [phone, &phone[1..], &phone[3..]];
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let of = |text: &str| {
        let whole = [Md5::digest(text).to_vec(), Sha1::digest(text).to_vec(), Sha256::digest(text).to_vec()];
        whole.into_iter().flat_map(|hash| {
            // Whole, cut to 128 bits or to 64, in the forms in which a hash is written.
            [
                hash[..8].to_vec(),
                hexadecimal(&hash[..8]).into_bytes(),
                STANDARD.encode(&hash[..9]).into_bytes(),
            ]
        })
    };
    forms
        .into_iter()
        .flat_map(|text| of(text).collect::<Vec<_>>())
        .chain(forms.into_iter().map(|text| text.as_bytes().to_vec()))
        .collect()
}

/// The bytes, and whatever in them is base64, decoded at each of its four offsets.
fn readings(dump: &[u8]) -> Vec<Vec<u8>> {
    let mut readings = vec![dump.to_vec()];
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/');
    for run in dump.split(|byte| !is_base64(byte)).filter(|run| run.len() >= 8) {
        let run: Vec<u8> = run
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                byte => *byte,
            })
            .collect();
        for start in 0..4 {
            let whole = &run[start..][..(run.len() - start) / 4 * 4];
            readings.extend(URL_SAFE_NO_PAD.decode(whole));
        }
    }
    readings
}

/// Logs in by a code without an account, and registers with the token that the refusal brings: the token is spent then.
fn bind(refusing: &Gateway, taking: &Gateway, phone: &str) -> String {
    let document = |path, attributes: Value| post(path, "", &json!({"data": {"attributes": attributes}}));
    let verify = json!({"mobile": phone, "code": CODE, "type": "login"});
    let refused = ask(refusing, &document("/api/sms/verify", verify)).json();
    let token = refused["errors"][0]["token"].as_str().unwrap_or_else(|| panic!("{refused}")).to_owned();
    let register =
        json!({"username": format!("u{}", &phone[1..]), "password": "a-fine-password", "mobileToken": token});
    let registered = ask(taking, &document("/api/register", register.clone()));
    assert!(registered.json()["data"]["id"].is_string(), "{registered:?}");
    let again = ask(taking, &document("/api/register", register));
    assert!(again.json()["errors"].is_array(), "{again:?}");
    token
}

#[test]
fn nothing_that_redis_holds_tells_a_phone_a_code_or_a_token() {
    let (redis, upstream) = (RedisServer::start(), FaultyUpstream::start(sent()));
    let gateways = warmed(vec![house(&upstream, &redis, "").start()], &upstream);
    let refusing = FaultyUpstream::start(unknown_account());
    let taking = FaultyUpstream::start(Fault::Ends(signed_in("+8613800138960")));
    let [refusing, taking] = [&refusing, &taking].map(|upstream| house(upstream, &redis, "").start());
    let numbers = (0..5).map(|number| format!("+861380013{:04}", 8960 + number)).collect::<Vec<_>>();
    let (code, token, challenge) = (CODE, "t0ken-of-a-session", "a-challenge-of-the-upstream");
    let mut bound = Vec::new();
    for phone in &numbers {
        ask(&gateways[0], &canonical_send(phone));
        let body = json!({"phone": phone, "verification": {"code": code, "challenge": challenge},
                          "new_password": "a-fine-password", "password_form": "plain"});
        ask(&gateways[0], &post("/v1/password-resets", "", &body));
        let bearer = format!("Authorization: Bearer {token}\r\n");
        let body = json!({"current_password": "a-fine-password", "new_password": "a-finer-password",
                          "password_form": "plain"});
        let change = String::from_utf8(post("/v1/accounts/me/password", &bearer, &body)).unwrap();
        ask(&gateways[0], change.replacen("POST", "PUT", 1).as_bytes());
        // The challenge of this client is kept for it, since its dialect has no place for one.
        ask(&gateways[0], &coolkit_send("0", &phone.replace("+8613800", "+8613801")));
        bound.push(bind(&refusing, &taking, &phone[3..]));
    }
    let metrics = gateways[0].metrics_with("dragoman_requests_total{");
    for operation in ["send_code", "reset_password", "change_password"] {
        assert!(metrics.contains(&format!("operation=\"{operation}\"")), "{operation}: {metrics}");
    }
    assert!(redis.ask::<usize>("DBSIZE") > 5 * 4, "the throttle counts in Redis");
    let readings = readings(&redis.everything());
    assert!(readings.len() > 20, "keys are base64");
    let contains = |needle: &[u8]| {
        readings.iter().any(|reading| reading.windows(needle.len()).any(|window| window == needle))
    };
    assert!(contains(b"dragoman:"));
    let secrets = [code, token, challenge, CHALLENGE, BIND_TOKEN, "a-fine-password"];
    for secret in secrets.into_iter().chain(bound.iter().map(String::as_str)) {
        assert!(!contains(secret.as_bytes()), "{secret} is in Redis");
        let bytes = URL_SAFE_NO_PAD.decode(secret).unwrap_or_default();
        for digest in [Sha256::digest(secret), Sha256::digest(&bytes)] {
            assert!(!contains(&digest[..8]), "a hash of {secret} is in Redis");
        }
    }
    for phone in &numbers {
        for form in hashes(phone) {
            assert!(!contains(&form), "{phone} is in Redis as {form:?}");
        }
    }
}
