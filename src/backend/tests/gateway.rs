//! The backend and the gateway's canonical dialect understand each other in every operation.

use super::*;
use crate::account::{Call, Channel, Operation, Phone, ProblemCode, Purpose, Reply, Secret, Verification};
use crate::dialect::{CANONICAL, Dialect, Dialects, Pack, Reading, Sending};

fn canonical() -> std::sync::Arc<Pack> {
    Dialects::built_in().get(CANONICAL).unwrap().clone()
}

fn sending(house: &House) -> Sending<'static> {
    Sending {
        random: 7,
        client_address: "192.0.2.7".parse().ok(),
        ..Sending::new(house.clock.now(), Country::CHINA, "r-1")
    }
}

async fn exchange(house: &House, call: &Call) -> Result<Reply, Problem> {
    let request = canonical().write_call(call, &sending(house)).unwrap();
    let deadline = Instant::now() + std::time::Duration::from_secs(30);
    let answer = house.backend.send(request, deadline).await.unwrap();
    let reading = Reading { default_country: Country::CHINA, json_depth: 64 };
    canonical().read_answer(call, &answer, reading)
}

fn call(operation: Operation) -> Call {
    Call::new(operation)
}

fn phone() -> Option<Phone> {
    Phone::from_e164(PHONE).ok()
}

async fn verification(house: &House, purpose: Purpose) -> Option<Verification> {
    let mut send = call(Operation::SendCode);
    (send.channel, send.purpose, send.phone) = (Some(Channel::Sms), Some(purpose), phone());
    let reply = exchange(house, &send).await.unwrap();
    assert_eq!((reply.expires_in, reply.resend_in), (Some(300), Some(120)));
    let code = house.backend.outbox()[0].code.clone();
    Some(Verification { code, challenge: reply.challenge })
}

async fn registered(house: &House) -> Reply {
    let mut register = call(Operation::Register);
    (register.phone, register.password) = (phone(), Some("right".into()));
    register.verification = verification(house, Purpose::Register).await;
    register.extensions.keep("shopxo", "user.integral", "12345678901234567890.10");
    exchange(house, &register).await.unwrap()
}

#[tokio::test]
async fn an_account_lives_its_whole_life_through_the_canonical_dialect() {
    let house = House::new();
    let reply = registered(&house).await;
    let account = reply.account.unwrap();
    assert_eq!((account.id.as_deref(), account.phone), (Some("1"), phone()));
    assert_eq!(account.last_login_ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(account.extensions.get("shopxo", "user.integral"), Some("12345678901234567890.10"));
    assert_eq!(reply.region.as_deref(), Some("cn"));

    let mut refresh = call(Operation::Refresh);
    refresh.refresh_token = reply.session.unwrap().refresh_token;
    let token = Some(exchange(&house, &refresh).await.unwrap().session.unwrap().access_token);

    let mut rename = call(Operation::ChangeName);
    (rename.token, rename.username) = (token.clone(), Some("alice".to_owned()));
    exchange(&house, &rename).await.unwrap();
    let mut change = call(Operation::ChangePassword);
    (change.token, change.old_password) = (token.clone(), Some("right".into()));
    change.new_password = Some("new".into());
    exchange(&house, &change).await.unwrap();
    let mut me = call(Operation::WhoAmI);
    me.token.clone_from(&token);
    let account = exchange(&house, &me).await.unwrap().account.unwrap();
    assert_eq!(account.username.as_deref(), Some("alice"));

    let mut log_out = call(Operation::LogOut);
    log_out.token = token;
    exchange(&house, &log_out).await.unwrap();
    assert_eq!(exchange(&house, &me).await.unwrap_err().code, ProblemCode::TokenInvalid);

    let mut login = call(Operation::Login);
    (login.identifier, login.password) = (Some("13800138001".to_owned()), Some("new".into()));
    assert!(exchange(&house, &login).await.unwrap().session.is_some());
    let mut region = call(Operation::Region);
    region.phone = phone();
    assert_eq!(exchange(&house, &region).await.unwrap().region.as_deref(), Some("cn"));
}

#[tokio::test]
async fn codes_log_in_and_reset_through_the_canonical_dialect() {
    let house = House::new();
    let mut login = call(Operation::LoginCode);
    (login.phone, login.verification) = (phone(), verification(&house, Purpose::Login).await);
    let problem = exchange(&house, &login).await.unwrap_err();
    assert_eq!(problem.code, ProblemCode::AccountNotFound);
    let mut register = call(Operation::Register);
    (register.bind_token, register.password) = (problem.bind_token, Some(Secret::from("right")));
    assert_eq!(exchange(&house, &register).await.unwrap().account.unwrap().phone, phone());

    let mut reset = call(Operation::ResetPassword);
    (reset.phone, reset.new_password) = (phone(), Some("new".into()));
    reset.verification = verification(&house, Purpose::ResetPassword).await;
    assert!(exchange(&house, &reset).await.unwrap().session.is_some());
    let expired = exchange(&house, &reset).await.unwrap_err();
    assert_eq!(expired.code, ProblemCode::CodeExpired);
}
