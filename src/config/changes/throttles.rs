//! What differs between two throttles.

use super::{Changes, compare_fields};
use crate::config::Throttle;

pub(super) fn compare_throttles(changes: &mut Changes, old: &Throttle, new: &Throttle) {
    compare_fields!(
        changes,
        "throttle.",
        old,
        new,
        Throttle {
            destination_interval,
            per_purpose,
            destination_per_hour,
            destination_per_day,
            address_per_hour,
            prefix_per_hour,
            calling_codes,
            budget_per_hour,
            budget_by_purpose,
            account_answers_per_hour,
            code_tries,
            code_tries_per_day,
            wrong_logins,
            attempts_per_address,
            slow_after,
            entries,
            on_store_error,
        }
    );
    changes.only_at_start("throttle.entries");
    changes.only_at_start("throttle.on_store_error");
    let lifted = |old: Option<u32>, new: Option<u32>| new.unwrap_or(u32::MAX) > old.unwrap_or(u32::MAX);
    let mut weaker = |key: &str, weakens| changes.weaker(format!("throttle.{key}"), weakens);
    weaker("destination_interval", new.destination_interval < old.destination_interval);
    weaker("per_purpose", new.per_purpose);
    weaker("destination_per_hour", lifted(old.destination_per_hour, new.destination_per_hour));
    weaker("destination_per_day", lifted(old.destination_per_day, new.destination_per_day));
    weaker("address_per_hour", lifted(old.address_per_hour, new.address_per_hour));
    weaker("prefix_per_hour", lifted(old.prefix_per_hour, new.prefix_per_hour));
    weaker("calling_codes", new.calling_codes.is_none());
    weaker("budget_per_hour", lifted(old.budget_per_hour, new.budget_per_hour));
    weaker("account_answers_per_hour", lifted(old.account_answers_per_hour, new.account_answers_per_hour));
    weaker("code_tries", lifted(old.code_tries, new.code_tries));
    weaker("code_tries_per_day", lifted(old.code_tries_per_day, new.code_tries_per_day));
    weaker("wrong_logins", lifted(old.wrong_logins, new.wrong_logins));
    weaker("attempts_per_address", lifted(old.attempts_per_address, new.attempts_per_address));
    weaker("slow_after", lifted(old.slow_after, new.slow_after));
}
