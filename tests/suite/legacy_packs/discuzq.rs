//! The pack of Discuz! Q before a strict server.

use dragoman::account::{Call, Operation, Phone, Problem, ProblemCode, Purpose, Reply, Secret};

use super::{Backend, PASSWORD, phone, token};

fn start(options: &[&str]) -> Backend {
    Backend::start("discuzq", options)
}

fn register(backend: &Backend, name: &str, bind_token: Option<Secret>) -> Result<Reply, Problem> {
    let mut call = Call::new(Operation::Register);
    call.username = Some(name.to_owned());
    call.password = Some(PASSWORD.into());
    call.reason = Some("这是一条注册原因".to_owned());
    call.invite_code = Some("invited".to_owned());
    call.bind_token = bind_token;
    backend.ask(&call)
}

fn code_login(backend: &Backend) -> Result<Reply, Problem> {
    let mut call = Call::new(Operation::LoginCode);
    call.phone = Some(phone());
    call.verification = backend.send(&phone(), Purpose::Login)?;
    backend.ask(&call)
}

/// An account with the phone, as the gateway's flow makes it: a code login that finds none, then a register.
fn bound(backend: &Backend) -> Reply {
    let problem = code_login(backend).unwrap_err();
    assert_eq!(problem.code, ProblemCode::AccountNotFound);
    assert!(problem.bind_token.is_some());
    register(backend, "eric", problem.bind_token).unwrap()
}

#[test]
fn an_account_of_discuzq_lives_from_register_to_a_new_password() {
    for options in [&["--resend-interval", "0"][..], &["--resend-interval", "0", "--created"]] {
        let backend = start(options);
        let registered = bound(&backend);
        assert_eq!(registered.account.as_ref().unwrap().id.as_deref(), Some("1"));

        let logged_in = backend.login(&phone(), PASSWORD).unwrap();
        let account = logged_in.account.as_ref().unwrap();
        assert_eq!((account.username.as_deref(), &account.phone), (Some("eric"), &Some(phone())));
        assert_eq!(code_login(&backend).unwrap().account.unwrap().id.as_deref(), Some("1"));

        let mut refresh = Call::new(Operation::Refresh);
        refresh.refresh_token = logged_in.session.as_ref().unwrap().refresh_token.clone();
        let renewed = backend.ask(&refresh).unwrap();
        assert_eq!(backend.ask(&refresh).unwrap_err().code, ProblemCode::TokenInvalid);

        let mut me = Call::new(Operation::WhoAmI);
        me.token = token(&renewed);
        assert_eq!(backend.ask(&me).unwrap().account.unwrap().phone, Some(phone()));

        let mut change = Call::new(Operation::ChangePassword);
        change.token = token(&renewed);
        change.old_password = Some(PASSWORD.into());
        change.new_password = Some("another-password".into());
        backend.ask(&change).unwrap();
        assert_eq!(backend.ask(&change).unwrap_err().code, ProblemCode::CredentialsInvalid);

        let mut reset = Call::new(Operation::ResetPassword);
        reset.phone = Some(phone());
        reset.verification = backend.send(&phone(), Purpose::ResetPassword).unwrap();
        reset.new_password = Some("third-password".into());
        backend.ask(&reset).unwrap();
        assert!(backend.login(&phone(), "third-password").is_ok());
        let requests = backend.server.requests();
        assert!(requests.iter().all(|request| request.header("X-Forwarded-For") == ["192.0.2.7"]));
    }
}

#[test]
fn what_discuzq_refuses_is_understood() {
    let backend = start(&[]);
    register(&backend, "eric", None).unwrap();
    let taken = register(&backend, "eric", None).unwrap_err();
    assert_eq!((taken.code, taken.field.as_deref()), (ProblemCode::AccountExists, Some("username")));
    let stale = register(&backend, "frederic", Some("0123".into())).unwrap_err();
    assert_eq!((stale.code, stale.field.as_deref()), (ProblemCode::InvalidField, Some("bind_token")));
    let login = |name: &str, password: &str| {
        let mut call = Call::new(Operation::Login);
        call.username = Some(name.to_owned());
        call.password = Some(password.into());
        backend.ask(&call).unwrap_err()
    };
    assert_eq!(login("nobody", PASSWORD).code, ProblemCode::AccountNotFound);
    let wrong = login("eric", "wrong-password");
    assert_eq!((wrong.code, wrong.attempts_left), (ProblemCode::CredentialsInvalid, Some(4)));
    (0..3).for_each(|_| drop(login("eric", "wrong-password")));
    assert_eq!(login("eric", "wrong-password").code, ProblemCode::AccountLocked);

    backend.send(&phone(), Purpose::Register).unwrap();
    let early = backend.send(&phone(), Purpose::Login).unwrap_err();
    assert_eq!(early.code, ProblemCode::SendTooFrequent);
    assert!(early.retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)));
    let mut call = Call::new(Operation::LoginCode);
    call.phone = Some(phone());
    call.verification = Some(dragoman::account::Verification { code: "nonsense".into(), challenge: None });
    assert_eq!(backend.ask(&call).unwrap_err().code, ProblemCode::CodeInvalid);

    let mut bind = Call::new(Operation::SendCode);
    bind.purpose = Some(Purpose::Bind);
    bind.phone = Some(Phone::from_e164("+8613800138002").unwrap());
    bind.token = Some("no-token".into());
    assert_eq!(backend.ask(&bind).unwrap_err().code, ProblemCode::TokenInvalid);

    let review = start(&["--review"]);
    assert_eq!(register(&review, "eric", None).unwrap_err().code, ProblemCode::AccountPendingReview);
    let closed = start(&["--registration-closed"]);
    assert_eq!(register(&closed, "eric", None).unwrap_err().code, ProblemCode::RegistrationClosed);
    let failing = start(&["--fail-send"]);
    assert_eq!(failing.send(&phone(), Purpose::Login).unwrap_err().code, ProblemCode::SendFailed);
}
