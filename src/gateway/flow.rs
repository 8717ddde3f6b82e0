//! Calls that take more than one request to the backend. Never two sends.

use super::exchange::{Exchange, Told};
use super::trust::{Opened, Renewal, renewal};
use crate::account::{Call, Channel, Operation, Phone, Problem, ProblemCode, Reply, Secret, Session};
use crate::dialect::{Dialect, Habits};
use crate::observe::CallRecord;
use crate::seal::session_token::UpstreamSession;

/// Letters and digits behind a name that the gateway makes up.
const NAME_DIGITS: usize = 6;

/// Stands in for a phone that is not known yet, where a call is written and not sent.
const SOME_PHONE: &str = "+8613800138000";

impl Exchange<'_> {
    /// Sends a call in as many requests as the backend's dialect needs.
    pub(super) async fn perform(&self, call: &Call, record: &mut CallRecord) -> Result<Reply, Told> {
        match names_of_own(self.sides().upstream.habits(), call) {
            Some(prefix) => self.bind_after_code_login(call, prefix, record).await,
            None => self.ask(call, record).await,
        }
    }

    /// Registers by phone where a code login proves the phone, and a second call binds it.
    async fn bind_after_code_login(
        &self,
        call: &Call,
        prefix: &str,
        record: &mut CallRecord,
    ) -> Result<Reply, Told> {
        // The code holds once, so it is not spent on a call that can't be finished.
        let rehearsed = Call {
            username: Some(call.username.clone().unwrap_or_else(|| prefix.to_owned())),
            verification: None,
            bind_token: Some(Secret::default()),
            ..call.clone()
        };
        self.rehearse(&rehearsed).map_err(|problem| Told { problem, undone: true })?;
        let token = match self.ask(&code_login(call), record).await {
            Ok(_) => {
                let problem = Problem::new(ProblemCode::AccountExists).field("phone");
                return Err(Told { problem, undone: false });
            }
            Err(Told { problem, .. }) if problem.code == ProblemCode::AccountNotFound => problem.bind_token,
            Err(told) => return Err(told),
        };
        let Some(token) = token else {
            return Err(Told { problem: ProblemCode::UpstreamUnintelligible.into(), undone: false });
        };
        let mut register = call.clone();
        register.verification = None;
        register.bind_token = Some(token);
        let invented = register.username.is_none();
        // A name that the gateway made up may be taken: then another one, once.
        for last in [false, true] {
            if invented {
                let name = invented_name(prefix);
                register.username = Some(name.map_err(|problem| Told { problem, undone: false })?);
            }
            let told = self.ask(&register, record).await.map_err(|told| Told { undone: false, ..told });
            let taken = matches!(&told, Err(told) if told.problem.code == ProblemCode::AccountExists);
            if !(taken && invented) || last {
                return told;
            }
        }
        Err(Told { problem: ProblemCode::Internal.into(), undone: false })
    }

    /// What a caller is told whose code is not known here: that it is over, or where the backend sends none to
    /// such a destination, that it can't be had.
    pub(super) fn unless_never_sent(&self, call: &Call, problem: Problem) -> Problem {
        let Some(purpose) =
            call.operation.purpose_of_code().filter(|_| problem.code == ProblemCode::CodeExpired)
        else {
            return problem;
        };
        let mut send = Call::new(Operation::SendCode);
        send.phone.clone_from(&call.phone);
        send.email.clone_from(&call.email);
        send.channel = Some(if call.phone.is_some() { Channel::Sms } else { Channel::Email });
        send.purpose = Some(purpose);
        send.token.clone_from(&call.token);
        match self.rehearse(&send) {
            Err(refused) if refused.code == ProblemCode::NotSupported => {
                Problem::not_supported(call.operation)
            }
            _ => problem,
        }
    }

    /// A client that can't do without a session gets one by a login with what it has just set.
    pub(super) async fn with_session(
        &self,
        call: &Call,
        mut reply: Reply,
        record: &mut CallRecord,
    ) -> Result<Reply, Problem> {
        let needed = self.client.habits().needs_session && call.operation.opens_session();
        let password = call.password.as_ref().or(call.new_password.as_ref());
        let (true, None, Some(password)) = (needed, &reply.session, password) else {
            return Ok(reply);
        };
        let mut login = Call::new(Operation::Login);
        login.username.clone_from(&call.username);
        login.phone.clone_from(&call.phone);
        login.email.clone_from(&call.email);
        login.identifier.clone_from(&call.identifier);
        login.password = Some(password.clone());
        login.password_form = call.password_form;
        login.client = call.client.clone();
        let signed_in = self.ask(&login, record).await.map_err(|told| told.problem)?;
        reply.session = signed_in.session;
        reply.account = reply.account.or(signed_in.account);
        reply.region = reply.region.or(signed_in.region);
        Ok(reply)
    }

    /// Renews the upstream's session if this is the time for it, so that the caller's token may slide on.
    pub(super) async fn renew(
        &self,
        time: Renewal,
        call: &Call,
        opened: &mut Opened,
        record: &mut CallRecord,
    ) -> Option<Secret> {
        let now = self.gateway.clock.now();
        // Only where the answer surely brings the new token: after a refresh the old one is dead.
        if call.operation != Operation::WhoAmI {
            return None;
        }
        let (_, refresh_token) = renewal(opened, now).filter(|(due, _)| *due == time)?;
        let refresh_token = refresh_token.clone();
        if !self.sides().upstream.has(Operation::Refresh) {
            return None;
        }
        let mut refresh = Call::new(Operation::Refresh);
        refresh.refresh_token = Some(refresh_token);
        refresh.client = call.client.clone();
        // If it fails the old session still holds, or the call itself will say that it does not.
        let Ok(Reply { session: Some(session), .. }) = self.ask(&refresh, record).await else { return None };
        let access_token = session.access_token.clone();
        if let Some(token) = &mut opened.session {
            token.upstream = upstream_session(session, now);
        }
        Some(access_token)
    }

    /// Finds out what a caller left open that its token answers: where a code goes, and whether the
    /// path names the token's own account.
    pub(super) async fn look_up(&self, call: &mut Call, record: &mut CallRecord) -> Result<(), Problem> {
        let nowhere = call.operation == Operation::SendCode && call.phone.is_none() && call.email.is_none();
        let named = call.account_of_path.is_some() && call.operation != Operation::WhoAmI;
        let foreign = !self.sides().same();
        if call.token.is_none() || !(nowhere || (named && foreign)) {
            return Ok(());
        }
        if nowhere {
            let anywhere = Phone::from_e164(SOME_PHONE).ok();
            let rehearsed = self.rehearse(&Call { phone: anywhere, ..call.clone() });
            if let Err(problem) = rehearsed
                && problem.code == ProblemCode::NotSupported
            {
                return Err(problem);
            }
        }
        let mut ask = Call::new(Operation::WhoAmI);
        ask.token.clone_from(&call.token);
        ask.client = call.client.clone();
        let reply = self.ask(&ask, record).await.map_err(|told| told.problem)?;
        own_account(call, &reply)?;
        if nowhere && let Some(account) = reply.account {
            call.phone = account.phone;
            call.email = account.email.filter(|_| call.phone.is_none());
        }
        Ok(())
    }
}

/// How the names begin that the gateway makes up for a call, if the backend registers by phone in two calls: a code login
/// that proves the phone, and another one that binds it to a name.
pub(super) fn names_of_own<'a>(upstream: &'a Habits, call: &Call) -> Option<&'a str> {
    let by_phone = call.operation == Operation::Register && call.phone.is_some();
    let unbound = call.verification.is_some() && call.bind_token.is_none();
    upstream.binds_after_code_login.as_deref().filter(|_| by_phone && unbound)
}

/// The first of those two calls.
pub(super) fn code_login(register: &Call) -> Call {
    Call {
        phone: register.phone.clone(),
        verification: register.verification.clone(),
        client: register.client.clone(),
        ..Call::new(Operation::LoginCode)
    }
}

/// Refuses a path that names somebody else's account.
pub(super) fn own_account(call: &Call, reply: &Reply) -> Result<(), Problem> {
    let Some(named) = &call.account_of_path else { return Ok(()) };
    let own = reply.account.as_ref().and_then(|account| account.id.as_ref());
    if own == Some(named) { Ok(()) } else { Err(ProblemCode::NotPermitted.into()) }
}

fn upstream_session(session: Session, now: crate::clock::Moment) -> UpstreamSession {
    UpstreamSession {
        access_expires: session.ends(now),
        access_token: session.access_token,
        refresh_token: session.refresh_token,
    }
}

fn invented_name(prefix: &str) -> Result<String, Problem> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| ProblemCode::Internal)?;
    let digits: String = crate::sign::nonce(u128::from_le_bytes(random)).chars().take(NAME_DIGITS).collect();
    Ok(format!("{prefix}{digits}"))
}
