//! The pack of qingzhenyun before a strict server.

use dragoman::account::{Call, Operation, Phone, Problem, ProblemCode, Purpose, Reply};

use super::{Backend, PASSWORD, phone, token};

fn start(options: &[&str]) -> Backend {
    Backend::start("qingzhenyun", options)
}

fn register(backend: &Backend, phone: &Phone, name: &str) -> Result<Reply, Problem> {
    let mut call = Call::new(Operation::Register);
    call.verification = backend.send(phone, Purpose::Register)?;
    call.phone = Some(phone.clone());
    call.username = Some(name.to_owned());
    call.password = Some(PASSWORD.into());
    backend.ask(&call)
}

#[test]
fn an_account_of_qingzhenyun_lives_from_register_to_log_out() {
    for options in [&[][..], &["--http-status", "ok", "--password-form", "md5"]] {
        let backend = start(options);
        let registered = register(&backend, &phone(), "eric").unwrap();
        let account = registered.account.as_ref().unwrap();
        assert_eq!((account.id.as_deref(), account.username.as_deref()), (Some("1"), Some("eric")));
        assert_eq!(account.phone, Some(phone()));
        let logged_in = backend.login(&phone(), PASSWORD).unwrap();

        let mut me = Call::new(Operation::WhoAmI);
        me.token = token(&logged_in);
        let reply = backend.ask(&me).unwrap();
        assert_eq!(reply.account.as_ref().unwrap().id.as_deref(), Some("1"));
        assert!(token(&reply).is_some_and(|fresh| Some(fresh) != me.token), "the token slides");

        let mut rename = Call::new(Operation::ChangeName);
        rename.token = token(&reply);
        rename.username = Some("frederic".to_owned());
        assert!(token(&backend.ask(&rename).unwrap()).is_some());

        let mut change = Call::new(Operation::ChangePassword);
        change.token = token(&reply);
        change.old_password = Some(PASSWORD.into());
        change.new_password = Some("another-password".into());
        let changed = backend.ask(&change).unwrap();
        // The version of the password stands in the token.
        assert_eq!(backend.ask(&me).unwrap_err().code, ProblemCode::TokenInvalid);

        let mut end = Call::new(Operation::LogOut);
        end.token = token(&changed);
        assert_eq!(backend.ask(&end), Ok(Reply::default()));
        assert_eq!(backend.ask(&end).unwrap_err().code, ProblemCode::TokenInvalid);
        assert_eq!(backend.login(&phone(), PASSWORD).unwrap_err().code, ProblemCode::CredentialsInvalid);
        assert!(backend.login(&phone(), "another-password").is_ok());
    }
}

#[test]
fn codes_of_qingzhenyun_log_in_reset_and_change() {
    let backend = start(&["--resend-interval", "0"]);
    let session = register(&backend, &phone(), "eric").unwrap();

    let mut login = Call::new(Operation::LoginCode);
    login.phone = Some(phone());
    login.verification = backend.send(&phone(), Purpose::Login).unwrap();
    assert_eq!(backend.ask(&login).unwrap().account.unwrap().phone, Some(phone()));
    assert_eq!(backend.ask(&login).unwrap_err().code, ProblemCode::CodeInvalid);

    let mut code = Call::new(Operation::SendCode);
    code.purpose = Some(Purpose::ChangePassword);
    code.phone = Some(phone());
    code.token = token(&session);
    let challenge = backend.ask(&code).unwrap().challenge;
    let mut change = Call::new(Operation::ChangePassword);
    change.token = token(&session);
    change.verification = backend.verification(&phone(), challenge);
    change.new_password = Some("another-password".into());
    backend.ask(&change).unwrap();
    assert!(backend.login(&phone(), "another-password").is_ok());

    let mut reset = Call::new(Operation::ResetPassword);
    reset.phone = Some(phone());
    reset.verification = backend.send(&phone(), Purpose::ResetPassword).unwrap();
    reset.new_password = Some("third-password".into());
    backend.ask(&reset).unwrap();
    assert!(backend.login(&phone(), "third-password").is_ok());
}

#[test]
fn foreign_numbers_reach_qingzhenyun_with_their_country() {
    let backend = start(&[]);
    let american = Phone::from_e164("+12025550123").unwrap();
    let account = register(&backend, &american, "eric").unwrap().account.unwrap();
    assert_eq!(account.phone, Some(american.clone()));
    assert_eq!(backend.login(&american, PASSWORD).unwrap().account.unwrap().phone, Some(american));
}

#[test]
fn what_qingzhenyun_refuses_is_understood() {
    let backend = start(&[]);
    register(&backend, &phone(), "eric").unwrap();
    let other = Phone::from_e164("+8613800138002").unwrap();
    let code = |told: Result<_, Problem>| told.err().map(|problem| problem.code);
    assert_eq!(code(backend.send(&phone(), Purpose::Register)), Some(ProblemCode::AccountExists));
    assert_eq!(code(backend.send(&phone(), Purpose::Login)), None);
    assert_eq!(code(backend.send(&phone(), Purpose::Login)), Some(ProblemCode::SendTooFrequent));
    for purpose in [Purpose::Login, Purpose::ResetPassword] {
        assert_eq!(code(backend.send(&other, purpose)), Some(ProblemCode::AccountNotFound));
    }
    assert_eq!(backend.login(&other, PASSWORD).unwrap_err().code, ProblemCode::AccountNotFound);
    let taken = register(&backend, &other, "eric").unwrap_err();
    assert_eq!((taken.code, taken.field.as_deref()), (ProblemCode::AccountExists, Some("username")));
    let failing = start(&["--fail-send"]);
    assert_eq!(code(failing.send(&phone(), Purpose::Register)), Some(ProblemCode::SendFailed));
}
