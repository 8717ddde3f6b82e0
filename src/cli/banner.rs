//! What `run` shows once it listens: where, and requests that can be pasted into a terminal.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::{Listener, SAMPLE_ID, Settings};

/// The addresses that are really bound, in the order of the config's listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Where clients are served.
    pub listeners: Vec<SocketAddr>,
    /// Where operators are.
    pub admin: Option<SocketAddr>,
}

/// What is listening, and for the demo one set of requests for each dialect that really work. `program`
/// is how this program is called.
pub fn banner(settings: &Settings, bound: &Bound, program: &str) -> String {
    let mut text = format!("dragoman {}\n", env!("CARGO_PKG_VERSION"));
    for (listener, address) in settings.listeners.iter().zip(&bound.listeners) {
        // Scripts read these lines: nothing follows the address.
        let scheme = if listener.tls.is_empty() { "http" } else { "https" };
        let _ = writeln!(text, "listening {scheme} {address}");
        let _ = writeln!(text, "  dialects: {}", listener.dialects.join(", "));
    }
    if let Some(admin) = bound.admin {
        let _ = writeln!(text, "listening admin {admin}");
        let _ = writeln!(text, "  console: http://{0}/\n  metrics: http://{0}/metrics", reachable(admin));
    }
    let demo = settings.listeners.first().zip(bound.listeners.first());
    if let (true, Some((listener, address)), Some(admin)) = (settings.demo, demo, bound.admin) {
        text.push_str(&requests(listener, *address, admin, program));
    }
    text
}

fn requests(listener: &Listener, gateway: SocketAddr, admin: SocketAddr, program: &str) -> String {
    let mut text = String::from(
        "\nThis is the demo: this machine only, data stay, codes are not sent but kept at the admin listener's /outbox.\n\
         Paste into another terminal to get a code, register and log in; for a second time take another phone.\n",
    );
    let outbox = format!(
        "code=$(curl -s http://{}/outbox.json | grep -o '\"code\": *\"[0-9]*\"' | head -n 1 | tr -dc 0-9)",
        reachable(admin)
    );
    for dialect in &listener.dialects {
        let commands = match dialect.as_str() {
            "canonical" => canonical(gateway, &outbox),
            "qingzhenyun" => qingzhenyun(gateway, &outbox),
            "discuzq" => discuzq(gateway, &outbox),
            "shopxo" => shopxo(gateway, &outbox),
            "coolkit" => coolkit(gateway, &outbox, program),
            _ => continue,
        };
        let _ = write!(text, "\n# {dialect}\n{commands}");
    }
    text
}

fn canonical(gateway: SocketAddr, outbox: &str) -> String {
    let url = format!("http://{}/v1", reachable(gateway));
    format!(
        r#"say() {{ curl -s "{url}$1" -H 'Content-Type: application/json' -d "$2"; echo; }}
say /verification-codes '{{"channel":"sms","phone":"+8613800138010","purpose":"register"}}'
{outbox}
say /accounts '{{"phone":"+8613800138010","password":"a-fine-password","password_form":"plain","verification":{{"code":"'$code'"}}}}'
say /sessions '{{"phone":"+8613800138010","password":"a-fine-password","password_form":"plain"}}'
"#
    )
}

/// The phone stands in the phoneInfo that sending the code answered.
fn qingzhenyun(gateway: SocketAddr, outbox: &str) -> String {
    let url = format!("http://{}/v1/user", reachable(gateway));
    format!(
        r#"say() {{ curl -s "{url}/$1" -H 'Content-Type: application/json' -d "$2"; echo; }}
info=$(say sendRegisterMessage '{{"countryCode":"86","phone":"13800138012"}}' | grep -o '"result":"[^"]*"' | cut -d '"' -f 4)
{outbox}
say register '{{"phoneInfo":"'$info'","code":"'$code'","password":"a-fine-password"}}'
say login '{{"value":"13800138012","password":"a-fine-password","countryCode":"86"}}'
"#
    )
}

/// A login by code finds nobody, and brings the token that the register binds the phone with.
fn discuzq(gateway: SocketAddr, outbox: &str) -> String {
    let url = format!("http://{}/api", reachable(gateway));
    format!(
        r#"say() {{ curl -s "{url}/$1" -H 'Content-Type: application/json' -d '{{"data":{{"attributes":'"$2"'}}}}'; echo; }}
say sms/send '{{"mobile":"13800138013","type":"login"}}'
{outbox}
token=$(say sms/verify '{{"mobile":"13800138013","code":"'$code'","type":"login"}}' | grep -o '"token":"[^"]*"' | cut -d '"' -f 4)
say register '{{"username":"demo","password":"a-fine-password","mobileToken":"'$token'"}}'
say login '{{"username":"demo","password":"a-fine-password"}}'
"#
    )
}

fn shopxo(gateway: SocketAddr, outbox: &str) -> String {
    let url = format!("http://{}/api.php", reachable(gateway));
    format!(
        r#"say() {{ curl -s "{url}?s=user/$1&application=app" -H 'Content-Type: application/json' -d "$2"; echo; }}
say regverifysend '{{"accounts":"13800138014","type":"sms"}}'
{outbox}
say reg '{{"accounts":"13800138014","pwd":"a-fine-password","verify":"'$code'","type":"sms"}}'
say login '{{"accounts":"13800138014","pwd":"a-fine-password","type":"username"}}'
"#
    )
}

fn coolkit(gateway: SocketAddr, outbox: &str, program: &str) -> String {
    let url = format!("http://{}/api", reachable(gateway));
    let program = format!("'{}'", program.replace('\'', r"'\''"));
    format!(
        r#"say() {{
  body="{{$2,\"appid\":\"{SAMPLE_ID}\",\"nonce\":\"$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')\",\"ts\":$(date +%s),\"version\":8}}"
  curl -s "{url}$1" -H 'Content-Type: application/json' -H "Authorization: $({program} sign --demo --body "$body")" -d "$body"; echo
}}
say /sms '"sendType":"0","to":"+8613800138011"'
{outbox}
say /user/register '"phoneNumber":"+8613800138011","verificationCode":"'$code'","password":"a-fine-password"'
say /user/login '"phoneNumber":"+8613800138011","password":"a-fine-password"'
"#
    )
}

/// An address that a client on this machine can connect to.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "[[listener]]\naddress = \"0.0.0.0:8080\"\n[upstream]\nkind = \"embedded\"\n";

    fn bound(listener: &str) -> Bound {
        Bound { listeners: vec![listener.parse().unwrap()], admin: Some("127.0.0.1:9999".parse().unwrap()) }
    }

    #[test]
    fn addresses_stand_alone_at_the_end_of_their_line() {
        let (settings, _) = Settings::parse("test.toml", OPEN, &|_| None).unwrap();
        let text = banner(&settings, &bound("0.0.0.0:1234"), "dragoman");
        assert!(text.contains("\nlistening http 0.0.0.0:1234\n"));
        assert!(text.contains("\nlistening admin 127.0.0.1:9999\n"));
        assert!(!text.contains("curl"), "{text}");
    }

    #[test]
    fn the_demo_shows_requests_of_each_dialect_at_the_bound_addresses() {
        let settings = Settings::demo(&|_| None).unwrap();
        let text = banner(&settings, &bound("127.0.0.1:1234"), "/opt/it's/dragoman");
        for part in [
            "\n# canonical\n",
            "\n# coolkit\n",
            "\n# qingzhenyun\n",
            "\n# discuzq\n",
            "\n# shopxo\n",
            "http://127.0.0.1:1234/v1$1",
            "http://127.0.0.1:1234/api$1",
            "http://127.0.0.1:9999/outbox.json",
            r"'/opt/it'\''s/dragoman' sign --demo",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(!text.contains(crate::config::SAMPLE_SECRET));
    }
}
