//! The limits by name: what each tells its callers, and which ends of a call return its event.

use crate::account::{Problem, ProblemCode};
use crate::guard::{Guard, Refusal};

/// How a call ended, as far as the throttle is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a good answer.
    Success,
    /// With a bad answer.
    Problem {
        /// Which one.
        code: ProblemCode,
        /// Whether the call provably never reached the backend.
        undone: bool,
    },
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// The time between two sends to one destination.
    DestinationInterval,
    /// Sends to one destination in an hour.
    DestinationHour,
    /// Sends to one destination in a day.
    DestinationDay,
    /// Sends for one client address in an hour.
    AddressSends,
    /// Sends to one block of numbers in an hour.
    Prefix,
    /// All sends of an hour.
    Budget,
    /// All sends of an hour but those that the last fifth is kept for.
    BudgetShare,
    /// All sends of an hour for one purpose.
    PurposeBudget,
    /// Answers that tell one client address whether an account exists.
    AccountAnswers,
    /// Tries at one code.
    CodeTries,
    /// Tries at all codes of one destination in a day.
    CodeTriesDay,
    /// Wrong logins of one account from one client address.
    WrongLogins,
    /// Wrong logins and codes from one client address.
    AddressAttempts,
    /// Wrong logins of one account from wherever; never refuses.
    Slow,
}

impl Limit {
    /// The stable name, for metrics, logs and the `RateLimit` fields.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DestinationInterval => "destination_interval",
            Self::DestinationHour => "destination_hour",
            Self::DestinationDay => "destination_day",
            Self::AddressSends => "address_sends",
            Self::Prefix => "prefix",
            Self::Budget => "budget",
            Self::BudgetShare => "budget_share",
            Self::PurposeBudget => "purpose_budget",
            Self::AccountAnswers => "account_answers",
            Self::CodeTries => "code_tries",
            Self::CodeTriesDay => "code_tries_day",
            Self::WrongLogins => "wrong_logins",
            Self::AddressAttempts => "address_attempts",
            Self::Slow => "slow",
        }
    }

    /// Whether it bounds sends, and not attempts.
    const fn is_of_sends(self) -> bool {
        matches!(
            self,
            Self::DestinationInterval
                | Self::DestinationHour
                | Self::DestinationDay
                | Self::AddressSends
                | Self::Prefix
                | Self::Budget
                | Self::BudgetShare
                | Self::PurposeBudget
        )
    }

    /// Whether it bounds all callers together.
    pub(super) const fn is_of_all(self) -> bool {
        matches!(self, Self::Budget | Self::BudgetShare | Self::PurposeBudget)
    }

    /// What operators are told when it refuses.
    pub fn refusal(self) -> Refusal {
        let guard = if self.is_of_sends() { Guard::Throttle } else { Guard::Attempts };
        Refusal { guard, reason: self.name() }
    }

    /// What callers are told when it refuses.
    pub fn problem(self, wait_seconds: u64) -> Problem {
        let code = match self {
            Self::DestinationInterval | Self::DestinationHour | Self::DestinationDay => {
                ProblemCode::SendTooFrequent
            }
            _ => ProblemCode::RateLimited,
        };
        Problem::new(code).retry_after(wait_seconds)
    }

    /// Whether a call that ended so gets its event back. Of a send only the destination's pause
    /// is returned, and only when nothing can have been sent; of an attempt, only the right one.
    pub fn is_returned_by(self, end: End) -> bool {
        match self {
            Self::DestinationInterval => sent_nothing(end),
            Self::AccountAnswers => !tells_of_an_account(end),
            _ if self.is_of_sends() => false,
            _ => end == End::Success,
        }
    }
}

fn sent_nothing(end: End) -> bool {
    match end {
        End::Success => false,
        End::Problem { code, undone } => match code {
            ProblemCode::AccountExists | ProblemCode::AccountNotFound | ProblemCode::InvalidField => true,
            // Asking for what nobody can do counts as a send, or it would be free.
            ProblemCode::NotSupported => false,
            _ => undone,
        },
    }
}

fn tells_of_an_account(end: End) -> bool {
    let telling =
        [ProblemCode::AccountExists, ProblemCode::AccountNotFound, ProblemCode::IdentityAlreadyBound];
    matches!(end, End::Problem { code, .. } if telling.contains(&code))
}
