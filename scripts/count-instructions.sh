#!/usr/bin/env bash
# Counts the user-space instructions that one signed coolkit login costs, with callgrind: in a
# pass-through of twenty lines on the same Pingora, and in Dragoman with every check on. Each
# process is measured twice, with FEW and with MANY requests on one connection; the difference
# belongs to the requests alone, so what starting and stopping cost cancels out. The backend and
# the client are processes of their own and are not counted. At the end Dragoman is started STARTS times,
# and told is how long each took to its first answer.
#
#   scripts/count-instructions.sh [baseline]     `baseline` measures the pass-through only
#   FEW=200 MANY=1200 PROFILE=release STARTS=20  say how many requests, which cargo profile, and how many starts
set -euo pipefail
cd "$(dirname "$0")/.."

few=${FEW:-200}
many=${MANY:-1200}
profile=${PROFILE:-release}
programs=${CARGO_TARGET_DIR:-target}/$profile
work=$(mktemp -d)
touch "$work/started"

# A file, since processes are started within $(…) too.
clean_up() {
    while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done <"$work/started"
    rm -rf "$work"
}
trap clean_up EXIT

fail() {
    printf 'count-instructions: %s\n' "$*" >&2
    exit 1
}

# start NAME COMMAND…: in the background, with what it prints in $work/NAME.log.
start() {
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    pid=$!
    echo "$pid" >>"$work/started"
    disown "$pid"
}

# address NAME KIND: what `listening KIND ADDRESS` says, waiting for it.
address() {
    local line
    for _ in $(seq 600); do
        line=$(grep -ao "listening $2 [0-9.:]*" "$work/$1.log" || true)
        if [ -n "$line" ]; then
            echo "${line##* }"
            return
        fi
        sleep 0.1
    done
    cat "$work/$1.log" >&2
    fail "$1 does not listen"
}

# answers ADDRESS: waits until something accepts connections there.
answers() {
    for _ in $(seq 600); do
        if (exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null; then return; fi
        sleep 0.1
    done
    fail "nothing accepts connections at $1"
}

# assert_verified COUNT METRICS: the checks were really made, for each of the requests.
assert_verified() {
    local passed remembered
    passed=$(sum "$2" '^dragoman_requests_total.*dialect="coolkit".*outcome="success"')
    remembered=$(sum "$2" '^dragoman_replay_entries( |\{)')
    [ "$passed" = "$1" ] || fail "$passed of $1 signed requests passed"
    [ "$remembered" = "$1" ] || fail "$remembered of $1 requests are remembered"
    ! grep -E '^dragoman_would_be_refusals_total.* [1-9]' "$2" || fail "a check was not enforced"
}

sum() { awk -v pattern="$2" '$0 ~ pattern { sum += $NF } END { print sum + 0 }' "$1"; }

# measure NAME COUNT COMMAND…: instructions that the command's process took to serve COUNT requests.
measure() {
    local name=$1 count=$2 expected='"access_token":"' admin collected
    shift 2
    start "$name" valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@"
    local measured=$pid
    local http
    http=$(address "$name" http)
    answers "$http"
    [ "$name" = pass-through ] || expected='"at":"'
    "$programs/examples/load" send "$http" "$count" "$app" "$work/secret" "$expected" >"$work/load.log" ||
        fail "the load failed"
    if [ "$name" = dragoman ]; then
        admin=$(address "$name" admin)
        curl -sf "http://$admin/metrics" >"$work/metrics"
        assert_verified "$count" "$work/metrics"
    fi
    kill -INT "$measured"
    while kill -0 "$measured" 2>/dev/null; do sleep 0.05; done
    collected=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$work/$name.log")
    [ -n "$collected" ] || fail "callgrind counted nothing in $name"
    rm -rf "$work/data"
    echo "$collected"
}

# per_request NAME COMMAND…
per_request() {
    local first second
    first=$(measure "$1" "$few" "${@:2}")
    second=$(measure "$1" "$many" "${@:2}")
    echo $(((second - first) / (many - few)))
}

if [ "${1:-}" = baseline ]; then
    cargo build --quiet --locked --profile "$profile" --examples
else
    cargo build --quiet --locked --profile "$profile" --examples --bin dragoman
fi

app=BenchApp000000000000000000000001
printf 'bench-secret-of-no-other-use' >"$work/secret"
chmod 600 "$work/secret"
start backend "$programs/examples/load" answer
backend=$(address backend http)
cat >"$work/dragoman.toml" <<END
data_dir = "$work/data"

[[listener]]
address = "127.0.0.1:0"
dialects = ["coolkit"]

[admin]
address = "127.0.0.1:0"

[upstream]
kind = "http"
dialect = "canonical"
addresses = ["$backend"]
host = "backend.example"

[limits]
calls_per_second_per_address = "off"

[[app]]
id = "$app"
secrets = ["file:$work/secret"]
END

baseline=$(per_request pass-through "$programs/examples/pass_through" "$backend")
printf '(a) pass-through  %8d instructions a request\n' "$baseline"
[ "${1:-}" != baseline ] || exit 0
gateway=$(per_request dragoman "$programs/dragoman" run -c "$work/dragoman.toml")
printf '(b) Dragoman      %8d instructions a request\n' "$gateway"
awk -v a="$baseline" -v b="$gateway" 'BEGIN { printf "(b)/(a)           %8.2f\n", b / a }'
mkdir "$work/starts"
"$programs/examples/load" start "${STARTS:-20}" "$app" "$work/secret" '"at":"' "$work/starts" \
    "$programs/dragoman" run -c "$work/dragoman.toml"
