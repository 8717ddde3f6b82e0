//! The whole throttle of a destination against a simple specification, over random sequences of
//! asks, answers, time-outs and waits.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// How long a reservation that nobody settles holds at least, in seconds.
const LEASE: i64 = 40;

/// What a caller or the time does.
#[derive(Debug, Clone)]
enum Step {
    Ask { destination: u32, end: Option<usize> },
    Answer { which: usize, end: usize },
    Wait(i64),
}

const ENDS: [End; 5] = [
    End::Success,
    GONE,
    NOT_REACHED,
    End::Problem { code: ProblemCode::AccountExists, undone: false },
    End::Problem { code: ProblemCode::SendFailed, undone: false },
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ask = (0..3_u32, proptest::option::of(0..ENDS.len()));
    let step = prop_oneof![
        4 => ask.prop_map(|(destination, end)| Step::Ask { destination, end }),
        2 => (0..8_usize, 0..ENDS.len()).prop_map(|(which, end)| Step::Answer { which, end }),
        3 => prop_oneof![1..60_i64, 100..140_i64, Just(120), 3_000..4_000_i64, 40_000..90_000_i64].prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..120)
}

/// One send as the specification sees it.
struct Sent {
    at: i64,
    /// Whether its pause was given back.
    freed: bool,
}

/// The specification: a list of sends, and nothing clever.
#[derive(Default)]
struct Specification {
    sent: BTreeMap<u32, Vec<Sent>>,
}

impl Specification {
    /// How long the next send to a destination has to wait.
    fn wait(&self, destination: u32, now: i64, interval: i64) -> i64 {
        let sent = self.sent.get(&destination).map_or(&[][..], Vec::as_slice);
        let pauses = sent.iter().filter(|sent| !sent.freed).map(|sent| sent.at + interval - now);
        let pause = pauses.max().unwrap_or(0);
        let room_in = |limit: usize, span: i64| {
            let mut ends: Vec<i64> =
                sent.iter().map(|sent| sent.at + span - now).filter(|end| *end > 0).collect();
            ends.sort_unstable();
            if ends.len() < limit { 0 } else { ends[ends.len() - limit] }
        };
        pause.max(room_in(5, 3_600)).max(room_in(10, 86_400)).max(0)
    }
}

async fn agrees(steps: Vec<Step>, interval: i64) {
    let bench = bench(|settings| {
        destinations_only(settings);
        settings.destination_interval = Some(Duration::from_secs(interval.unsigned_abs()));
    });
    let mut specification = Specification::default();
    let mut under_way: Vec<(Admission, u32, usize)> = Vec::new();
    let mut now = 0;
    for step in steps {
        match step {
            Step::Wait(seconds) => {
                now += seconds;
                bench.wait(seconds);
            }
            Step::Ask { destination, end } => {
                let expected = specification.wait(destination, now, interval);
                match bench.admit(&send(destination), None).await {
                    Ok(admission) => {
                        assert_eq!(expected, 0, "admitted at {now}");
                        let sent = specification.sent.entry(destination).or_default();
                        sent.push(Sent { at: now, freed: false });
                        under_way.push((admission, destination, sent.len() - 1));
                    }
                    Err((_, wait)) => assert_eq!(i64::try_from(wait).unwrap(), expected, "refused at {now}"),
                }
                if let (Some(end), Some(last)) = (end, under_way.pop()) {
                    answer(&bench, &mut specification, last, ENDS[end]).await;
                }
            }
            Step::Answer { which, end } if which < under_way.len() => {
                let chosen = under_way.swap_remove(which);
                answer(&bench, &mut specification, chosen, ENDS[end]).await;
            }
            Step::Answer { .. } => {}
        }
    }
}

async fn answer(
    bench: &Bench,
    specification: &mut Specification,
    (admission, destination, index): (Admission, u32, usize),
    end: End,
) {
    bench.throttle.settle(admission, end).await;
    let returns =
        matches!(end, End::Problem { code, undone } if undone || code == ProblemCode::AccountExists);
    specification.sent.get_mut(&destination).unwrap()[index].freed |= returns;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_throttle_does_what_a_simple_specification_says(steps in steps(), interval in LEASE..200_i64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(agrees(steps, interval));
    }
}
