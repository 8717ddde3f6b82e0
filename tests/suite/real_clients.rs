//! Third-party clients, installed as their users install them, log in through the gateway.

use serde_json::json;

use crate::support::coolkit::register;
use crate::support::gateway::House;
use crate::support::third_party::{EWELINK_API, SONOFF_PYTHON, ThirdParty};

fn logs_in_only_with_the_right_password(client: &ThirdParty) {
    let app = client.app();
    let gateway = House::embedded(&[&app]).start();
    let (right, wrong) = ("a-fine-password", "another-password");
    for (kind, identity) in [("phone", "+8613800138501"), ("email", "somebody@example.com")] {
        register(&gateway, &app, identity, right);
        let input = |password: &str| {
            let base_url = format!("http://{}", gateway.http);
            json!({"base_url": base_url, "region": "cn", kind: identity, "password": password})
        };
        let answer = client.login(&input(right));
        assert_eq!(answer["outcome"], "logged_in", "{kind}: {answer}");
        assert_eq!(answer["asked"], json!(["cn"]), "{kind}: {answer}");
        let answer = client.login(&input(wrong));
        assert_eq!(answer["outcome"], "refused", "{kind}: {answer}");
    }
}

#[test]
fn ewelink_api_from_npm_logs_in_as_users_registered_before() {
    logs_in_only_with_the_right_password(&EWELINK_API);
}

#[test]
fn sonoff_python_from_pypi_logs_in_as_users_registered_before() {
    logs_in_only_with_the_right_password(&SONOFF_PYTHON);
}
