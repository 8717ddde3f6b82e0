//! Rules of release and of counting, one by one.

mod model;

use super::*;
use crate::account::{Channel, Email, Phone, Purpose, Verification};
use crate::clock::ManualClock;
use crate::config::Settings;
use crate::store::windows::memory::MemoryWindows;

const NOW: i64 = 1_700_000_000;
const GONE: End = End::Problem { code: ProblemCode::UpstreamTimeout, undone: false };
const NOT_REACHED: End = End::Problem { code: ProblemCode::UpstreamUnavailable, undone: true };
const WRONG: End = End::Problem { code: ProblemCode::CredentialsInvalid, undone: false };
const WRONG_CODE: End = End::Problem { code: ProblemCode::CodeInvalid, undone: false };

fn end(code: ProblemCode) -> End {
    End::Problem { code, undone: false }
}

struct Bench {
    throttle: Throttle,
    clock: Arc<ManualClock>,
}

fn bench(change: impl FnOnce(&mut config::Throttle)) -> Bench {
    let mut settings = Settings::demo(&|_| None).unwrap();
    settings.throttle = config::Throttle::default();
    change(&mut settings.throttle);
    let clock = Arc::new(ManualClock::at(Moment::from_seconds(NOW)));
    let store = Arc::new(MemoryWindows::new(settings.throttle.entries));
    Bench { throttle: Throttle::new(&settings, store, [7; 16], clock.clone()), clock }
}

/// Only what concerns a destination.
fn destinations_only(settings: &mut config::Throttle) {
    settings.address_per_hour = None;
    settings.prefix_per_hour = None;
    settings.budget_per_hour = None;
    settings.account_answers_per_hour = None;
}

fn phone(last: u32) -> Phone {
    Phone::from_e164(&format!("+8613800{last:06}")).unwrap()
}

fn send_to(phone: Phone, purpose: Purpose) -> Call {
    let mut call = Call::new(Operation::SendCode);
    call.channel = Some(Channel::Sms);
    call.phone = Some(phone);
    call.purpose = Some(purpose);
    call
}

fn send(last: u32) -> Call {
    send_to(phone(last), Purpose::Register)
}

fn login(name: &str) -> Call {
    let mut call = Call::new(Operation::Login);
    call.identifier = Some(name.to_owned());
    call.password = Some("wrong".into());
    call
}

fn guess(last: u32, challenge: Option<&str>) -> Call {
    let mut call = Call::new(Operation::ResetPassword);
    call.phone = Some(phone(last));
    let challenge = challenge.map(Into::into);
    call.verification = Some(Verification { code: "1234".into(), challenge });
    call
}

fn address(number: u32) -> Option<IpAddr> {
    Some(IpAddr::V4((0xc000_0200 + number).into()))
}

impl Bench {
    async fn admit(&self, call: &Call, from: Option<IpAddr>) -> Result<Admission, (&'static str, u64)> {
        let throttled = |throttled: Box<Throttled>| {
            (throttled.refusal.reason, throttled.problem.retry_after.unwrap_or_default())
        };
        self.throttle.admit(call, from).await.map_err(throttled)
    }

    /// One whole call; why it was refused and how long to wait, where it was.
    async fn run(&self, call: &Call, from: Option<IpAddr>, end: End) -> Result<(), (&'static str, u64)> {
        let admission = self.admit(call, from).await?;
        self.throttle.settle(admission, end).await;
        Ok(())
    }

    fn wait(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
    }
}

#[tokio::test]
async fn one_send_each_two_minutes_over_all_purposes_unless_the_purpose_counts() {
    for (per_purpose, second) in [(false, Err(("destination_interval", 100))), (true, Ok(()))] {
        let bench = bench(|settings| settings.per_purpose = per_purpose);
        assert_eq!(bench.run(&send(1), address(1), End::Success).await, Ok(()));
        bench.wait(20);
        let reset = send_to(phone(1), Purpose::ResetPassword);
        assert_eq!(bench.run(&reset, address(2), End::Success).await, second);
        assert!(bench.run(&send(1), address(3), End::Success).await.is_err());
        bench.wait(100);
        assert_eq!(bench.run(&send(1), address(4), End::Success).await, Ok(()));
    }
}

#[tokio::test]
async fn only_an_end_that_says_nothing_was_sent_frees_the_destination() {
    let freeing = [
        end(ProblemCode::AccountExists),
        end(ProblemCode::AccountNotFound),
        end(ProblemCode::InvalidField),
        NOT_REACHED,
    ];
    let not_supported = End::Problem { code: ProblemCode::NotSupported, undone: true };
    let keeping = [
        End::Success,
        GONE,
        not_supported,
        end(ProblemCode::SendFailed),
        end(ProblemCode::UpstreamUnintelligible),
        end(ProblemCode::SendTooFrequent),
        end(ProblemCode::UpstreamUnavailable),
    ];
    for (ends, free) in [(&freeing[..], true), (&keeping[..], false)] {
        for end in ends {
            let bench = bench(|_| {});
            assert_eq!(bench.run(&send(1), address(1), *end).await, Ok(()));
            assert_eq!(bench.run(&send(1), address(1), End::Success).await.is_ok(), free, "{end:?}");
        }
    }
}

#[tokio::test]
async fn a_released_send_still_counts_for_the_hour_the_address_and_the_budget() {
    let bench = bench(|_| {});
    for _ in 0..5 {
        assert_eq!(bench.run(&send(1), address(1), end(ProblemCode::AccountExists)).await, Ok(()));
    }
    assert_eq!(bench.run(&send(1), address(2), End::Success).await, Err(("destination_hour", 3600)));
    for number in 2..17 {
        assert_eq!(bench.run(&send(number), address(1), NOT_REACHED).await, Ok(()), "{number}");
    }
    assert_eq!(bench.run(&send(99), address(1), End::Success).await, Err(("address_sends", 3600)));
}

#[tokio::test]
async fn a_late_release_does_not_free_anothers_reservation() {
    let bench = bench(|_| {});
    let late = bench.admit(&send(1), address(1)).await.unwrap();
    bench.wait(120);
    let second = bench.admit(&send(1), address(1)).await.unwrap();
    bench.throttle.settle(late, NOT_REACHED).await;
    assert_eq!(bench.admit(&send(1), address(1)).await.unwrap_err(), ("destination_interval", 120));
    bench.throttle.settle(second, NOT_REACHED).await;
    assert!(bench.admit(&send(1), address(1)).await.is_ok());
}

#[tokio::test]
async fn a_short_pause_holds_until_the_call_is_over() {
    let bench = bench(|settings| settings.destination_interval = Some(Duration::from_secs(5)));
    let slow = bench.admit(&send(1), address(1)).await.unwrap();
    bench.wait(20);
    assert_eq!(bench.admit(&send(1), address(1)).await.unwrap_err(), ("destination_interval", 20));
    bench.throttle.settle(slow, End::Success).await;
    assert!(bench.admit(&send(1), address(1)).await.is_ok());
}

#[tokio::test]
async fn spellings_of_one_email_address_are_one_destination() {
    let bench = bench(|_| {});
    let to = |text: &str| {
        let mut call = Call::new(Operation::SendCode);
        call.channel = Some(Channel::Email);
        call.email = Some(Email::parse(text).unwrap());
        call.purpose = Some(Purpose::Register);
        call
    };
    assert_eq!(bench.run(&to("Alice@example.com"), address(1), End::Success).await, Ok(()));
    for text in ["alice@example.com", "ALICE@EXAMPLE.COM", " ａlice@example.com "] {
        let refused = bench.run(&to(text), address(1), End::Success).await;
        assert_eq!(refused, Err(("destination_interval", 120)), "{text}");
    }
}

#[tokio::test]
async fn sends_are_bounded_by_block_of_numbers_country_and_budget() {
    let b = bench(|settings| {
        settings.address_per_hour = None;
        settings.prefix_per_hour = Some(3);
        settings.calling_codes = Some(vec![86]);
    });
    for last in [10_001, 10_002, 10_003] {
        assert_eq!(b.run(&send(last), address(last), End::Success).await, Ok(()));
    }
    assert_eq!(b.run(&send(10_004), address(9), End::Success).await, Err(("prefix", 3600)));
    assert_eq!(b.run(&send(20_004), address(9), End::Success).await, Ok(()));
    let abroad = send_to(Phone::from_e164("+12025550123").unwrap(), Purpose::Login);
    assert_eq!(b.run(&abroad, address(9), End::Success).await, Err(("country", 0)));

    let b = bench(|settings| {
        settings.prefix_per_hour = None;
        settings.budget_per_hour = Some(10);
        settings.budget_by_purpose = vec![(Purpose::Bind, 1)];
    });
    let bind = |last| send_to(phone(last), Purpose::Bind);
    assert_eq!(b.run(&bind(1), address(1), End::Success).await, Ok(()));
    assert_eq!(b.run(&bind(2), address(2), End::Success).await, Err(("purpose_budget", 3600)));
    for last in 3..10 {
        assert_eq!(b.run(&send(last), address(last), End::Success).await, Ok(()), "{last}");
    }
    assert_eq!(b.run(&send(50), address(50), End::Success).await, Err(("budget_share", 3600)));
    for (last, purpose) in [(51, Purpose::Login), (52, Purpose::ResetPassword)] {
        let kept_for = send_to(phone(last), purpose);
        assert_eq!(b.run(&kept_for, address(last), End::Success).await, Ok(()));
    }
    let over = send_to(phone(53), Purpose::Login);
    assert_eq!(b.run(&over, address(53), End::Success).await, Err(("budget", 3600)));
}

#[tokio::test]
async fn neighbours_in_one_ipv6_network_share_what_an_address_may() {
    let bench = bench(|settings| settings.address_per_hour = Some(2));
    let from = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    assert!(bench.run(&send(1), from("2001:db8::1"), End::Success).await.is_ok());
    assert!(bench.run(&send(2), from("2001:db8::2"), End::Success).await.is_ok());
    assert!(bench.run(&send(3), from("2001:db8::ffff:3"), End::Success).await.is_err());
    assert!(bench.run(&send(3), from("2001:db8:0:1::3"), End::Success).await.is_ok());
}

#[tokio::test]
async fn a_code_has_five_tries_whatever_challenge_is_made_up_and_a_new_code_five_more() {
    let bench = bench(|settings| settings.attempts_per_address = None);
    for round in 0..4 {
        for number in 0..5 {
            let challenge = format!("made up {round} {number}");
            let challenge = (number % 2 == 0).then_some(challenge.as_str());
            assert_eq!(bench.run(&guess(1, challenge), address(number), WRONG_CODE).await, Ok(()));
        }
        let refused = bench.run(&guess(1, None), address(9), WRONG_CODE).await.unwrap_err().0;
        assert_eq!(refused, if round < 3 { "code_tries" } else { "code_tries_day" });
        assert!(bench.run(&guess(2, None), address(9), End::Success).await.is_ok());
        assert_eq!(bench.run(&send(1), address(round), End::Success).await, Ok(()));
        bench.wait(120);
    }
    assert_eq!(bench.run(&guess(1, None), address(9), WRONG_CODE).await.unwrap_err().0, "code_tries_day");
}

#[tokio::test]
async fn a_send_that_may_not_have_happened_gives_no_new_tries() {
    let bench = bench(|_| {});
    for _ in 0..5 {
        assert!(bench.run(&guess(1, None), address(1), WRONG_CODE).await.is_ok());
    }
    assert!(bench.run(&send(1), address(1), end(ProblemCode::AccountExists)).await.is_ok());
    assert_eq!(bench.run(&guess(1, None), address(1), WRONG_CODE).await.unwrap_err().0, "code_tries");
}

#[tokio::test]
async fn only_a_right_login_is_returned_and_it_clears_no_other_count() {
    let bench = bench(|_| {});
    let spellings = ["Alice", " alice ", "ＡＬＩＣＥ"];
    for number in 0..10 {
        let name = spellings[number % 3];
        assert_eq!(bench.run(&login(name), address(1), WRONG).await, Ok(()));
        if number < 9 {
            assert_eq!(bench.run(&login(name), address(1), End::Success).await, Ok(()));
        }
    }
    assert_eq!(bench.run(&login("alice"), address(1), End::Success).await, Err(("wrong_logins", 3600)));
    assert_eq!(bench.run(&login("alice"), address(2), End::Success).await, Ok(()));
    assert_eq!(bench.run(&login("bob"), address(1), End::Success).await, Ok(()));
    bench.wait(3600);
    assert_eq!(bench.run(&login("alice"), address(1), End::Success).await, Ok(()));
}

#[tokio::test]
async fn equal_ids_of_two_regions_are_two_accounts() {
    let bench = bench(|settings| settings.wrong_logins = Some(2));
    let of = |region: &str| {
        let mut call = Call::new(Operation::ChangePassword);
        call.client.account = Some((region.into(), 7));
        call
    };
    for (region, passes) in
        [("cn", true), ("cn", true), ("cn", false), ("eu", true), ("eu", true), ("eu", false)]
    {
        let tried = bench.run(&of(region), address(1), end(ProblemCode::CredentialsInvalid)).await;
        assert_eq!(tried.is_ok(), passes, "{region}");
    }
}

#[tokio::test]
async fn an_account_that_is_tried_from_everywhere_is_slowed_and_never_locked() {
    let bench = bench(|_| {});
    for number in 0..200 {
        let admission = bench.admit(&login("alice"), address(number)).await.unwrap();
        assert_eq!(admission.delay.is_zero(), number < 20, "{number}");
        bench.throttle.settle(admission, WRONG).await;
    }
    assert!(bench.admit(&login("bob"), address(1)).await.unwrap().delay.is_zero());
}

#[tokio::test]
async fn one_address_gets_a_hundred_wrong_tries_at_many_accounts() {
    let bench = bench(|_| {});
    for number in 0..100 {
        assert_eq!(bench.run(&login(&format!("user {number}")), address(1), WRONG).await, Ok(()));
    }
    assert_eq!(bench.run(&login("another"), address(1), WRONG).await, Err(("address_attempts", 3600)));
    assert_eq!(bench.run(&guess(1, None), address(1), WRONG_CODE).await, Err(("address_attempts", 3600)));
}

#[tokio::test]
async fn answers_that_tell_of_an_account_are_counted_for_an_address() {
    let bench = bench(|_| {});
    for number in 0..30 {
        let name = format!("user {number}");
        assert_eq!(bench.run(&login(&name), address(1), WRONG).await, Ok(()));
        assert_eq!(bench.run(&login(&name), address(1), end(ProblemCode::AccountNotFound)).await, Ok(()));
    }
    assert_eq!(bench.run(&login("user"), address(1), WRONG).await, Err(("account_answers", 3600)));
    let mut register = Call::new(Operation::Register);
    register.username = Some("carol".to_owned());
    assert_eq!(bench.run(&register, address(1), End::Success).await, Err(("account_answers", 3600)));
    assert_eq!(bench.run(&register, address(2), End::Success).await, Ok(()));
}

#[tokio::test]
async fn a_reload_changes_the_limits_and_forgets_no_count() {
    let old = bench(|_| {});
    let late = old.admit(&send(1), address(1)).await.unwrap();
    let mut settings = Settings::demo(&|_| None).unwrap();
    settings.throttle.destination_per_hour = Some(2);
    let new = Bench { throttle: old.throttle.renewed(&settings), clock: old.clock.clone() };
    assert_eq!(new.run(&send(1), address(2), End::Success).await, Err(("destination_interval", 120)));
    old.throttle.settle(late, NOT_REACHED).await;
    assert_eq!(new.run(&send(1), address(2), NOT_REACHED).await, Ok(()));
    assert_eq!(new.run(&send(1), address(2), End::Success).await, Err(("destination_hour", 3600)));
}

#[tokio::test]
async fn keys_tell_nothing_without_their_key_and_differ_with_another() {
    let settings = config::Throttle::default();
    let plan = |key| Plan::of(&settings, Keys::new(key), Country::CHINA, &send(1), address(1)).windows;
    let (one, other) = (plan([1; 16]), plan([2; 16]));
    assert!(one.iter().zip(&other).all(|(one, other)| one.key != other.key));
    let distinct: std::collections::HashSet<u128> = one.iter().map(|window| window.key).collect();
    assert_eq!(distinct.len(), one.len());
}

#[tokio::test]
async fn at_its_bound_the_memory_refuses_and_forgets_nothing() {
    let bench = bench(|settings| {
        destinations_only(settings);
        settings.entries = 30;
    });
    for last in 0..10 {
        assert_eq!(bench.run(&send(last), None, End::Success).await, Ok(()));
    }
    assert_eq!(bench.run(&send(10), None, End::Success).await, Err(("full", 60)));
    assert_eq!(bench.run(&send(0), None, End::Success).await, Err(("destination_interval", 120)));
    bench.wait(120);
    assert_eq!((bench.throttle.store().entries(bench.clock.now()), bench.throttle.store().bound()), (20, 30));
    assert_eq!(bench.run(&send(10), None, End::Success).await, Ok(()));
}
