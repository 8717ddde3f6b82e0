//! How often codes are sent, and how often codes and passwords may be tried.

use std::time::Duration;

use super::OnStoreError;
use super::reader::{Node, Table};
use super::region::calling_code;
use super::value::{duration_or_off, number, number_or_off};
use crate::account::Purpose;

/// Bounds on sends and on attempts. `None` is no bound; the defaults protect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    /// The time between two sends to one phone or e-mail address.
    pub destination_interval: Option<Duration>,
    /// Whether that time counts for each purpose by itself.
    pub per_purpose: bool,
    /// Sends to one phone or e-mail address in an hour.
    pub destination_per_hour: Option<u32>,
    /// Sends to one phone or e-mail address in a day.
    pub destination_per_day: Option<u32>,
    /// Sends that one client address may ask for in an hour.
    pub address_per_hour: Option<u32>,
    /// Sends in an hour to phones that differ in their last four digits only.
    pub prefix_per_hour: Option<u32>,
    /// The countries whose phones get codes, as calling codes; all when `None`.
    pub calling_codes: Option<Vec<u16>>,
    /// Sends in an hour in all. The last fifth is kept for login and reset.
    pub budget_per_hour: Option<u32>,
    /// Sends in an hour for a purpose; purposes that are not named have only the bound on all.
    pub budget_by_purpose: Vec<(Purpose, u32)>,
    /// Answers in an hour that tell one client address whether an account exists.
    pub account_answers_per_hour: Option<u32>,
    /// Tries at one code.
    pub code_tries: Option<u32>,
    /// Tries at codes of one phone or e-mail address in a day, however many were sent.
    pub code_tries_per_day: Option<u32>,
    /// Wrong logins of one account from one client address in an hour.
    pub wrong_logins: Option<u32>,
    /// Wrong logins and codes from one client address in an hour.
    pub attempts_per_address: Option<u32>,
    /// Wrong logins of one account in an hour, from wherever, after which each try waits a moment.
    pub slow_after: Option<u32>,
    /// Events remembered in all; at the bound sends and attempts are refused.
    pub entries: usize,
    /// What is done while a shared store is away.
    pub on_store_error: OnStoreError,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            destination_interval: Some(Duration::from_secs(120)),
            per_purpose: false,
            destination_per_hour: Some(5),
            destination_per_day: Some(10),
            address_per_hour: Some(20),
            prefix_per_hour: Some(100),
            calling_codes: None,
            budget_per_hour: Some(1_000),
            budget_by_purpose: Vec::new(),
            account_answers_per_hour: Some(30),
            code_tries: Some(5),
            code_tries_per_day: Some(20),
            wrong_logins: Some(10),
            attempts_per_address: Some(100),
            slow_after: Some(20),
            entries: 1_000_000,
            on_store_error: OnStoreError::Local,
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const MOST: usize = 100_000;

impl Throttle {
    /// The same without bounds on a client address or on all: for the demo, where everybody has
    /// the same address.
    pub(super) fn without_addresses(self) -> Self {
        Self {
            address_per_hour: None,
            prefix_per_hour: None,
            budget_per_hour: None,
            account_answers_per_hour: None,
            attempts_per_address: None,
            ..self
        }
    }

    /// Reads `[throttle]`.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let default = Self::default();
        let interval = table.read("destination_interval", |node| duration_or_off(node, SECOND..=DAY));
        let mut bound = |key, default: Option<u32>| {
            let read = table.read(key, |node| number_or_off(node, 1..=MOST));
            read.map_or(default, |bound| bound.and_then(|bound| u32::try_from(bound).ok()))
        };
        let mut throttle = Self {
            destination_interval: interval.unwrap_or(default.destination_interval),
            destination_per_hour: bound("destination_per_hour", default.destination_per_hour),
            destination_per_day: bound("destination_per_day", default.destination_per_day),
            address_per_hour: bound("address_per_hour", default.address_per_hour),
            prefix_per_hour: bound("prefix_per_hour", default.prefix_per_hour),
            budget_per_hour: bound("budget_per_hour", default.budget_per_hour),
            account_answers_per_hour: bound("account_answers_per_hour", default.account_answers_per_hour),
            code_tries: bound("code_tries", default.code_tries),
            code_tries_per_day: bound("code_tries_per_day", default.code_tries_per_day),
            wrong_logins: bound("wrong_logins", default.wrong_logins),
            attempts_per_address: bound("attempts_per_address", default.attempts_per_address),
            slow_after: bound("slow_after", default.slow_after),
            ..default
        };
        throttle.per_purpose = table.read("per_purpose", Node::boolean).unwrap_or(throttle.per_purpose);
        throttle.calling_codes = table.read("calling_codes", calling_codes).unwrap_or_default();
        let budgets = table.read("budget_by_purpose", |node| node.table("`budget_by_purpose`", read_budgets));
        throttle.budget_by_purpose = budgets.unwrap_or_default();
        let entries = table.read("entries", |node| number(node, 1_000..=100_000_000));
        throttle.entries = entries.unwrap_or(throttle.entries);
        throttle.on_store_error = OnStoreError::read(table).unwrap_or(throttle.on_store_error);
        throttle.check(table);
        throttle
    }

    fn check(&self, table: &Table<'_>) {
        if let (Some(hour), Some(day)) = (self.destination_per_hour, self.destination_per_day)
            && hour > day
        {
            table.error(
                "destination_per_hour",
                "one hour may not have more sends than a day",
                format!("choose at most {day}, the value of `destination_per_day`"),
            );
        }
        if let (Some(code), Some(day)) = (self.code_tries, self.code_tries_per_day)
            && code > day
        {
            table.error(
                "code_tries",
                "one code may not have more tries than all codes of a day",
                format!("choose at most {day}, the value of `code_tries_per_day`"),
            );
        }
        let bounded = self.destination_interval.is_some()
            || self.destination_per_hour.is_some()
            || self.destination_per_day.is_some();
        if !bounded {
            table.warning(
                "destination_interval",
                "anybody may have codes sent to one phone without end",
                "set one of `destination_interval`, `destination_per_hour`, `destination_per_day`",
            );
        }
    }
}

fn read_budgets(table: &mut Table<'_>) -> Vec<(Purpose, u32)> {
    let mut budgets = Vec::new();
    for purpose in Purpose::ALL {
        let budget = table.read(purpose.name(), |node| number(node, 1..=MOST));
        if let Some(budget) = budget.and_then(|budget| u32::try_from(budget).ok()) {
            budgets.push((*purpose, budget));
        }
    }
    budgets
}

fn calling_codes(node: Node<'_>) -> Option<Option<Vec<u16>>> {
    if node.value().as_str() == Some("off") {
        return Some(None);
    }
    let codes = node.list(calling_code)?;
    if codes.is_empty() {
        return node.fail(
            "no phone of any country would get a code",
            "list calling codes such as [86], or write \"off\" for all countries",
        );
    }
    Some(Some(codes))
}
