//! Which windows a call concerns.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use super::limit::Limit;
use crate::account::{Call, Channel, Country, Operation, Phone, Purpose, Secret, folded};
use crate::config;
use crate::guard::client_address::subscriber;
use crate::store::windows::{Rigour, Window};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// Phones that differ only in so many digits at their end are one block.
const BLOCK_DIGITS: usize = 4;

/// What turns texts into keys: nobody without it can tell whose window a key is.
#[derive(Clone, Copy)]
pub(super) struct Keys([u8; 16]);

impl Keys {
    pub(super) const fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// The digest of what windows have in common that are to be looked at together.
    fn subject(self, name: &str) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(name.as_bytes());
        hasher.finish()
    }

    fn key(self, limit: Limit, subject: u64, parts: &[&str]) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        for part in std::iter::once(&limit.name()).chain(parts) {
            hasher.write_usize(part.len());
            hasher.write(part.as_bytes());
        }
        Window::key(subject, hasher.finish())
    }
}

/// The windows of one call, each with the limit that it stands for.
pub(super) struct Plan<'a> {
    settings: &'a config::Throttle,
    keys: Keys,
    country: Country,
    address: Option<String>,
    limits: Vec<Limit>,
    windows: Vec<Window>,
    /// The windows of tries at a code that a new code to the same destination begins anew.
    renewed: Vec<u128>,
}

/// Windows of one call, side by side with their limits.
pub(super) struct Planned {
    pub limits: Vec<Limit>,
    pub windows: Vec<Window>,
    pub renewed: Vec<u128>,
}

impl<'a> Plan<'a> {
    pub(super) fn of(
        settings: &'a config::Throttle,
        keys: Keys,
        country: Country,
        call: &Call,
        client: Option<IpAddr>,
    ) -> Planned {
        let address = client.map(|client| subscriber(client).to_string());
        let (limits, windows, renewed) = (Vec::new(), Vec::new(), Vec::new());
        let mut plan = Self { settings, keys, country, address, limits, windows, renewed };
        match call.operation {
            Operation::SendCode => plan.send(call),
            Operation::Login | Operation::ChangePassword if call.verification.is_none() => plan.login(call),
            _ if call.verification.is_some() => plan.code(call),
            _ => {}
        }
        plan.account_answers(call.operation);
        Planned { limits: plan.limits, windows: plan.windows, renewed: plan.renewed }
    }

    fn send(&mut self, call: &Call) {
        let settings = self.settings;
        // Where a code goes that only the backend knows: to whoever the token belongs to.
        let Some(destination) = destination(call).or_else(|| session(call)) else { return };
        let purpose = call.purpose.map_or("", Purpose::name);
        let paused = if settings.per_purpose { vec![&*destination, purpose] } else { vec![&*destination] };
        let pause = settings.destination_interval.map(|_| 1);
        let seconds =
            settings.destination_interval.and_then(|pause| i64::try_from(pause.as_secs()).ok()).unwrap_or(0);
        let subject = self.keys.subject(&destination);
        self.add(Limit::DestinationInterval, pause, seconds, subject, &paused);
        self.add(Limit::DestinationHour, settings.destination_per_hour, HOUR, subject, &[&destination]);
        self.add(Limit::DestinationDay, settings.destination_per_day, DAY, subject, &[&destination]);
        self.add_for_address(Limit::AddressSends, settings.address_per_hour);
        if let Some(block) = call.phone.as_ref().filter(|_| is_sms(call)).map(block) {
            self.add(Limit::Prefix, settings.prefix_per_hour, HOUR, self.keys.subject(&block), &[&block]);
        }
        self.budget(call.purpose);
        self.renewed.push(self.keys.key(Limit::CodeTries, subject, &["destination", &destination]));
    }

    fn budget(&mut self, purpose: Option<Purpose>) {
        let settings = self.settings;
        let all = self.keys.subject("");
        self.add(Limit::Budget, settings.budget_per_hour, HOUR, all, &[]);
        if !matches!(purpose, Some(Purpose::Login | Purpose::ResetPassword)) {
            let share = settings.budget_per_hour.map(|budget| budget - budget / 5);
            self.add(Limit::BudgetShare, share, HOUR, all, &[]);
        }
        let budgets = settings.budget_by_purpose.iter();
        for (of, budget) in budgets.filter(|(of, _)| Some(*of) == purpose) {
            self.add(Limit::PurposeBudget, Some(*budget), HOUR, all, &[of.name()]);
        }
    }

    /// A code may be tried at so many times, under whatever purpose and challenge.
    fn code(&mut self, call: &Call) {
        let settings = self.settings;
        let challenge = call.verification.as_ref().and_then(|proof| proof.challenge.as_ref());
        if let Some(challenge) = challenge.map(Secret::expose) {
            let subject = self.keys.subject(challenge);
            self.add(Limit::CodeTries, settings.code_tries, HOUR, subject, &["challenge", challenge]);
        }
        for account in self.accounts(call) {
            let subject = self.keys.subject(&account);
            self.add(Limit::CodeTries, settings.code_tries, HOUR, subject, &["destination", &account]);
            self.add(Limit::CodeTriesDay, settings.code_tries_per_day, DAY, subject, &[&account]);
        }
        self.add_for_address(Limit::AddressAttempts, settings.attempts_per_address);
    }

    fn login(&mut self, call: &Call) {
        let settings = self.settings;
        let address = self.address.clone().unwrap_or_default();
        for account in self.accounts(call) {
            let subject = self.keys.subject(&account);
            self.add(Limit::WrongLogins, settings.wrong_logins, HOUR, subject, &[&account, &address]);
            self.add(Limit::Slow, settings.slow_after, HOUR, subject, &[&account]);
        }
        self.add_for_address(Limit::AddressAttempts, settings.attempts_per_address);
    }

    fn account_answers(&mut self, operation: Operation) {
        let may_tell = matches!(
            operation,
            Operation::SendCode
                | Operation::Register
                | Operation::Login
                | Operation::LoginCode
                | Operation::ResetPassword
        );
        if may_tell {
            self.add_for_address(Limit::AccountAnswers, self.settings.account_answers_per_hour);
        }
    }

    /// Every name under which a call means an account; the session's where it names none.
    fn accounts(&self, call: &Call) -> Vec<String> {
        let mut accounts = call.names(self.country);
        if accounts.is_empty() {
            accounts.extend(session(call));
        }
        accounts
    }

    fn add_for_address(&mut self, limit: Limit, bound: Option<u32>) {
        if let Some(address) = self.address.clone() {
            self.add(limit, bound, HOUR, self.keys.subject(&address), &[&address]);
        }
    }

    fn add(&mut self, limit: Limit, bound: Option<u32>, seconds: i64, subject: u64, parts: &[&str]) {
        let Some(bound) = bound else { return };
        let rigour = if limit == Limit::Slow { Rigour::Tells } else { Rigour::Refuses };
        let key = self.keys.key(limit, subject, parts);
        self.limits.push(limit);
        self.windows.push(Window { key, limit: bound, seconds, rigour, common: limit.is_of_all() });
    }
}

/// Where a code is to be sent, in the one form in which it is compared.
fn destination(call: &Call) -> Option<String> {
    match call.channel {
        Some(Channel::Email) => call.email.as_ref().map(|email| folded(email.as_str())),
        _ => call.phone.as_ref().map(|phone| phone.e164().to_owned()),
    }
}

/// Who calls, where a call says it by its token only: the account, if the token is the gateway's own. The text of the
/// backend's token is another after each refresh.
fn session(call: &Call) -> Option<String> {
    let account = call.client.account.as_ref().map(|(region, id)| format!("account {region} {id}"));
    account.or_else(|| call.token.as_ref().map(|token| format!("token {}", token.expose())))
}

pub(super) fn is_sms(call: &Call) -> bool {
    call.channel != Some(Channel::Email)
}

fn block(phone: &Phone) -> String {
    let digits = phone.e164();
    digits.get(..digits.len().saturating_sub(BLOCK_DIGITS)).unwrap_or_default().to_owned()
}
