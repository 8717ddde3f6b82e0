//! Backends of several regions that share who lives where.

use super::*;

const NAMED: &str = "anna";

struct Regions {
    cn: House,
    eu: House,
    residents: tempfile::TempDir,
}

impl Regions {
    fn new() -> Self {
        let residents = tempfile::tempdir().unwrap();
        let file = residents.path().join("residents.db");
        Self { cn: House::of_region("cn", &file), eu: House::of_region("eu", &file), residents }
    }
}

fn is_in(told: &Told, region: &str) {
    assert_eq!((told.status, told.text("/code"), told.text("/region")), (421, "wrong_region", region));
}

#[tokio::test]
async fn an_account_that_lives_elsewhere_is_named_by_its_region_under_each_of_its_names() {
    let regions = Regions::new();
    let (cn, eu) = (&regions.cn, &regions.eu);
    eu.register(NAMED).await;
    eu.register_phone().await;
    is_in(&cn.log_in(NAMED, "right").await, "eu");
    is_in(&cn.log_in(" ANNA ", "wrong").await, "eu");
    for body in [
        json!({"phone": PHONE, "password": "right"}),
        json!({"identifier": PHONE, "password": "right"}),
        json!({"identifier": NAMED, "password": "right"}),
        json!({"phone": PHONE, "verification": {"code": "123456"}}),
    ] {
        is_in(&cn.post("/v1/sessions", body).await, "eu");
    }
    let reset = json!({"phone": PHONE, "new_password": "new", "verification": {"code": "123456"}});
    is_in(&cn.post("/v1/password-resets", reset).await, "eu");
    for purpose in ["login", "reset_password"] {
        let send = json!({"channel": "sms", "phone": PHONE, "purpose": purpose});
        is_in(&cn.post("/v1/verification-codes", send).await, "eu");
    }
    assert!(cn.backend.outbox().is_empty(), "no code is sent where it could not be used");
    assert_eq!(cn.log_in("nobody", "right").await.text("/code"), "account_not_found");
    assert_eq!(eu.log_in(NAMED, "right").await.status, 201);
}

#[tokio::test]
async fn a_name_is_taken_in_all_regions_and_free_again_in_all() {
    let regions = Regions::new();
    let (cn, eu) = (&regions.cn, &regions.eu);
    let account = eu.register(NAMED).await;
    eu.register_phone().await;
    let taken = cn.post("/v1/accounts", json!({"username": "Anna", "password": "right"})).await;
    assert_eq!((taken.text("/code"), taken.text("/field")), ("account_exists", "username"));
    let send = json!({"channel": "sms", "phone": PHONE, "purpose": "register"});
    let taken = cn.post("/v1/verification-codes", send).await;
    assert_eq!((taken.text("/code"), taken.text("/field")), ("account_exists", "phone"));
    // Renamed, it is found by its new name, and the old one may be had elsewhere.
    let token = account.text("/session/access_token");
    let rename = |name: &str| json!({"username": name});
    assert_eq!(eu.with_token(token, Method::PATCH, "/v1/accounts/me", rename("berta")).await.status, 200);
    is_in(&cn.log_in("berta", "right").await, "eu");
    let account = cn.register(NAMED).await;
    is_in(&eu.log_in(NAMED, "right").await, "cn");
    let token = account.text("/session/access_token");
    let taken = cn.with_token(token, Method::PATCH, "/v1/accounts/me", rename("Berta")).await;
    assert_eq!(taken.text("/code"), "account_exists");
    assert_eq!(cn.log_in(NAMED, "right").await.status, 201, "a name that was refused changed nothing");
}

#[tokio::test]
async fn a_start_writes_the_accounts_of_its_region_anew() {
    let regions = Regions::new();
    regions.eu.register(NAMED).await;
    regions.cn.register("chen").await;
    let file = regions.residents.path().join("residents.db");
    let emptied = rusqlite::Connection::open(&file).unwrap();
    emptied.execute("DELETE FROM residents", ()).unwrap();
    assert_eq!(regions.cn.log_in(NAMED, "right").await.text("/code"), "account_not_found");
    let settings = config::Backend {
        region: Some("eu".to_owned()),
        residents: Some(file.clone()),
        ..settings(&regions.eu.directory)
    };
    let clock = regions.eu.clock.clone();
    let eu = Backend::open_with(&settings, clock.clone(), cheap()).unwrap();
    is_in(&regions.cn.log_in(NAMED, "right").await, "eu");
    drop(eu);
    let bytes = std::fs::read(&file).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!holds(NAMED) && !holds("chen"), "names are in it as digests only");
}
