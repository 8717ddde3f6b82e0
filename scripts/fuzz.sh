#!/usr/bin/env bash
# Lets libFuzzer loose on every decoder, one after the other. The bytes of a finding are then in fuzz/artifacts, and the
# next target has its turn; the end tells which of them found something. New inputs stay in fuzz/found, which no commit
# takes. This crate forbids unsafe code, so it is built without the address sanitizer, in a fraction of the time.
#
#   scripts/fuzz.sh [TARGET…]      all targets without one
#   FUZZ_SECONDS=600               how long each of them runs
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-600}
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

# The corpus of a target, and what is in the tree anyway.
corpus() {
    local known=()
    [ ! -d "fuzz/corpus/$1" ] || known+=("fuzz/corpus/$1")
    case $1 in
        config) known+=(config config/examples) ;;
        pack) known+=(dialects tests/packs) ;;
    esac
    echo "${known[@]}"
}

cargo +nightly fuzz build --sanitizer none
broken=()
for target in "${targets[@]}"; do
    mkdir -p "fuzz/found/$target"
    printf 'fuzz: %s for %s s\n' "$target" "$seconds" >&2
    read -r -a known <<<"$(corpus "$target")"
    cargo +nightly fuzz run --sanitizer none "$target" "fuzz/found/$target" "${known[@]}" -- \
        -max_total_time="$seconds" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 ||
        broken+=("$target")
done
if [ ${#broken[@]} -gt 0 ]; then
    printf 'fuzz: findings in %s: see fuzz/artifacts\n' "${broken[*]}" >&2
    exit 1
fi
