//! The file: upgrades, refusals, a full disk, copies, and what is removed in time.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::super::schema::{self, MIGRATIONS};
use super::*;

fn number(path: &Path, sql: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn the_database_is_private_durable_and_in_wal_mode() {
    let house = House::new();
    let path = house.directory.path().join("users.db");
    for file in ["users.db", "users.db-wal", "users.db-shm"] {
        let mode = std::fs::metadata(house.directory.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let writer = schema::open_writer(&path, MIGRATIONS).unwrap();
    let pragma = |name: &str| {
        writer
            .query_row(&format!("PRAGMA {name}"), (), |row| row.get::<_, rusqlite::types::Value>(0))
            .unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    assert_eq!(pragma("synchronous"), 2.into());
    assert_eq!(pragma("foreign_keys"), 1.into());
}

#[tokio::test]
async fn an_older_schema_is_upgraded_in_one_step_after_a_copy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    drop(schema::open_writer(&path, MIGRATIONS).unwrap());
    let insert = "INSERT INTO accounts (username, username_key, password, created_at, updated_at)
                  VALUES ('alice', 'alice', 'x', 1, 1)";
    Connection::open(&path).unwrap().execute(insert, ()).unwrap();

    let known = MIGRATIONS.len() as i64;
    let copy = directory.path().join(format!("users.db.bak-{known}"));
    let broken = [MIGRATIONS, &["ALTER TABLE accounts ADD COLUMN age INTEGER", "nonsense"]].concat();
    assert!(schema::open_writer(&path, &broken).is_err());
    assert_eq!(number(&path, "PRAGMA user_version"), known);
    assert!(Connection::open(&path).unwrap().prepare("SELECT age FROM accounts").is_err());

    let next = [MIGRATIONS, &["ALTER TABLE accounts ADD COLUMN age INTEGER DEFAULT 7"]].concat();
    drop(schema::open_writer(&path, &next).unwrap());
    assert_eq!(number(&path, "PRAGMA user_version"), known + 1);
    assert_eq!(number(&path, "SELECT age FROM accounts WHERE username = 'alice'"), 7);
    assert_eq!(number(&copy, "PRAGMA user_version"), known);
    assert_eq!(number(&copy, "SELECT count(*) FROM accounts"), 1);
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_later_schema_and_a_foreign_database_are_refused_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&directory);
    let open = || Backend::open_with(&settings, Arc::new(ManualClock::at(Moment::from_seconds(0))), cheap());
    drop(open().unwrap());
    let connection = Connection::open(&settings.database).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let error = open().err().unwrap().to_string();
    assert!(error.contains("schema is version 99, this program knows up to 1"), "{error}");
    assert_eq!(number(&settings.database, "PRAGMA user_version"), 99);

    connection.pragma_update(None, "application_id", 1).unwrap();
    assert!(matches!(open(), Err(BackendError::Foreign(_))));
    let garbage = config::Backend { database: directory.path().join("garbage.db"), ..settings.clone() };
    std::fs::write(&garbage.database, "no database at all, but long enough to be looked at").unwrap();
    let clock = Arc::new(ManualClock::at(Moment::from_seconds(0)));
    let opened = Backend::open_with(&garbage, clock, cheap());
    assert!(matches!(opened, Err(BackendError::Sqlite { .. })));
}

#[tokio::test]
async fn a_copy_is_put_back_over_a_later_schema_but_never_over_a_foreign_database() {
    let house = House::new();
    house.register("alice").await;
    let copy = house.directory.path().join("copy.db");
    house.backend.backup(copy.clone()).await.unwrap();
    let database = house.directory.path().join("users.db");
    let connection = Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(restore(&database, &copy), Err(BackendError::NewerSchema { found: 99, .. })));
    restore(&copy, &database).unwrap();
    assert_eq!(number(&database, "PRAGMA user_version"), MIGRATIONS.len() as i64);
    assert_eq!(house.log_in("alice", "right").await.status, 201);

    connection.pragma_update(None, "application_id", 1).unwrap();
    assert!(matches!(restore(&copy, &database), Err(BackendError::Foreign(_))));
    assert!(matches!(restore(&database, &copy), Err(BackendError::Foreign(_))));
}

#[tokio::test]
async fn on_a_full_disk_writes_are_overloaded_and_reads_go_on() {
    let house = House::new();
    let token = house.register("alice").await.text("/session/access_token").to_owned();
    house.backend.checkpoint().await.unwrap();
    house.backend.0.database.set_full(true).await;
    // Some writes still fit into pages that are there.
    let mut attempts = 0..1_000;
    let told = loop {
        let body = json!({"username": format!("user-{}", attempts.next().unwrap()), "password": "x"});
        let told = house.post("/v1/accounts", body).await;
        if told.status != 201 {
            break told;
        }
    };
    assert_eq!(told.problem(), Some(("overloaded", 503)));
    assert_eq!(told.headers["retry-after"], "30");
    assert_eq!(house.me(&token).await.text("/account/username"), "alice");
    house.backend.0.database.set_full(false).await;
    house.register("bob").await;
}

#[tokio::test]
async fn a_backup_is_taken_under_load_and_put_back_whole() {
    let house = House::new();
    let token = house.register("alice").await.text("/session/access_token").to_owned();
    let copy = house.directory.path().join("copy.db");
    house.backend.backup(copy.clone()).await.unwrap();
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    house.register("bob").await;
    let database = house.directory.path().join("users.db");
    let second = house.directory.path().join("second.db");
    backup(&database, &second).unwrap();
    assert_eq!(number(&second, "SELECT count(*) FROM accounts"), 2);

    restore(&copy, &database).unwrap();
    assert_eq!(house.me(&token).await.status, 200);
    assert_eq!(house.log_in("bob", "right").await.problem(), Some(("account_not_found", 404)));
    let house = house.reopen();
    assert_eq!(house.me(&token).await.status, 200);

    std::fs::write(&copy, "no database at all, but long enough to be looked at").unwrap();
    assert!(restore(&copy, &database).is_err());
    assert!(backup(&house.directory.path().join("missing.db"), &second).is_err());
    assert_eq!(house.me(&token).await.status, 200);
}

#[tokio::test]
async fn a_checkpoint_leaves_everything_in_the_one_file() {
    let house = House::new();
    house.register("alice").await;
    house.backend.checkpoint().await.unwrap();
    let wal = house.directory.path().join("users.db-wal");
    assert_eq!(std::fs::metadata(wal).unwrap().len(), 0);
}

#[tokio::test]
async fn what_has_expired_is_removed() {
    let house = House::new();
    house.post_once("/v1/accounts", "key", json!({"username": "alice", "password": "x"})).await;
    let code = house.code("login").await;
    house.post("/v1/sessions", json!({"phone": PHONE, "verification": {"code": code}})).await;
    let path = house.directory.path().join("users.db");
    let rows = |table: &str| number(&path, &format!("SELECT count(*) FROM {table}"));
    let tables = ["sessions", "codes", "bindings", "idempotency"];
    house.backend.0.purge().await;
    assert_eq!(tables.map(rows), [1, 1, 1, 1]);
    house.clock.advance_seconds(86_400);
    house.backend.0.purge().await;
    assert_eq!(tables.map(rows), [1, 0, 0, 0]);
    house.clock.advance_seconds(60 * 86_400);
    house.backend.0.purge().await;
    assert_eq!(tables.map(rows), [0, 0, 0, 0]);
    assert_eq!(rows("accounts"), 1);
}

#[test]
fn one_of_many_callers_purges_once_a_minute() {
    let house = House::new();
    assert!(house.backend.0.take_purge());
    assert!(!house.backend.0.take_purge());
    house.clock.advance_seconds(60);
    assert!(house.backend.0.take_purge());
    house.clock.advance_seconds(-3_600);
    assert!(house.backend.0.take_purge());
}

#[tokio::test]
async fn no_password_code_or_token_is_in_the_file() {
    let house = House::new();
    let told = house.register_phone().await;
    let code = house.code("login").await;
    let challenge = house
        .post(
            "/v1/verification-codes",
            json!({"channel": "email", "email": "a@example.com", "purpose": "login"}),
        )
        .await;
    house.backend.checkpoint().await.unwrap();
    let file = std::fs::read(house.directory.path().join("users.db")).unwrap();
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(PHONE));
    for secret in [
        told.text("/session/access_token"),
        told.text("/session/refresh_token"),
        challenge.text("/challenge"),
        &super::passwords::md5_of("right"),
        "right",
    ] {
        assert!(!holds(secret));
    }
    let stored = number(
        &house.directory.path().join("users.db"),
        &format!("SELECT count(*) FROM codes WHERE instr(CAST(code AS TEXT), '{code}') > 0"),
    );
    assert_eq!(stored, 0);
}
