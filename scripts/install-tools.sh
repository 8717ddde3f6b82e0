#!/usr/bin/env bash
# Installs what building, testing, measuring or checking needs, and only what is absent.
# Debian packages are installed system-wide; everything else goes to the tools directory
# ($DRAGOMAN_TOOLS, by default ~/.cache/dragoman/tools). Starts no service.
#
#   scripts/install-tools.sh build|test|bench|fuzz|lint|deb|try-deb
set -euo pipefail
cd "$(dirname "$0")/.."

tools=${DRAGOMAN_TOOLS:-$HOME/.cache/dragoman/tools}
cargo_deny_version=0.20.2
cargo_deb_version=3.8.0
cargo_fuzz_version=0.13.2
ewelink_api_version=3.1.1

say() { printf 'install-tools: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "'$*' needs root; run it by hand, or install sudo"
    fi
}

apt_updated=
apt_update() {
    [ -z "$apt_updated" ] || return 0
    command -v apt-get >/dev/null || fail "no apt-get here; install by hand: $*"
    as_root apt-get update -q >&2
    apt_updated=yes
}

apt_install() {
    apt_update "$@"
    say "installing $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}

# A directory is up to date when its stamp holds the digest of what it was made from.
is_current() { [ -f "$1/.made-from" ] && [ "$(cat "$1/.made-from")" = "$2" ]; }
digest() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

rust_component() {
    cargo "$1" --version >/dev/null 2>&1 && return 0
    command -v rustup >/dev/null || fail "cargo $1 is missing and there is no rustup to install it"
    say "installing $2"
    rustup component add "$2" >&2
}

build_tools() {
    local missing=()
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    command -v c++ >/dev/null || missing+=(g++)
    command -v cmake >/dev/null || missing+=(cmake)
    command -v make >/dev/null || missing+=(make)
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}

test_tools() {
    local missing=()
    command -v curl >/dev/null || missing+=(curl)
    command -v openssl >/dev/null || missing+=(openssl)
    # systemd-analyze; without an init system nothing is started.
    command -v systemd-analyze >/dev/null || missing+=(systemd)
    # Where python3 comes without ensurepip or npm without node, Debian's packages complete it.
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    command -v chromium >/dev/null || missing+=(chromium)
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
    rust_component fmt rustfmt
    rust_component clippy clippy
    mkdir -p "$tools"
    prometheus
    redis
    python_packages
    node_packages
}

# Debian's prometheus package would start a server; only the programs are taken out of it.
prometheus() {
    [ ! -x "$tools/bin/promtool" ] || [ ! -x "$tools/bin/prometheus" ] || return 0
    apt_update prometheus
    say "unpacking prometheus and promtool"
    local unpacked
    unpacked=$(mktemp -d)
    (
        cd "$unpacked"
        apt-get download -q prometheus >&2
        dpkg-deb --extract ./*.deb .
    )
    mkdir -p "$tools/bin"
    mv "$unpacked/usr/bin/promtool" "$unpacked/usr/bin/prometheus" "$tools/bin/"
    rm -rf "$unpacked"
}

# Debian's redis-server package would start a server. The program itself is in redis-tools, which
# starts none: it is a server under the name redis-server and a checker under the name there.
redis() {
    [ ! -x "$tools/bin/redis-server" ] || return 0
    local server
    mkdir -p "$tools/bin"
    server=$(command -v redis-server || command -v redis-check-rdb || true)
    if [ -z "$server" ]; then
        apt_install redis-tools
        server=$(command -v redis-check-rdb) || fail "redis-tools brought no redis-check-rdb"
    fi
    ln -sf "$server" "$tools/bin/redis-server"
}

python_packages() {
    local wanted
    wanted=$(digest tests/clients/requirements.txt)
    ! is_current "$tools/python" "$wanted" || return 0
    say "installing Python clients"
    rm -rf "$tools/python"
    python3 -m venv "$tools/python"
    "$tools/python/bin/pip" install --quiet --disable-pip-version-check \
        --requirement tests/clients/requirements.txt >&2
    echo "$wanted" >"$tools/python/.made-from"
}

# ewelink-api names one dependency by its git repository, which Debian's npm can't override: the
# package is unpacked beside its dependencies, all of which come from the registry.
node_packages() {
    local wanted
    wanted=$(digest tests/clients/package.json tests/clients/package-lock.json <(echo "$ewelink_api_version"))
    ! is_current "$tools/node" "$wanted" || return 0
    say "installing Node clients"
    rm -rf "$tools/node"
    mkdir -p "$tools/node"
    cp tests/clients/package.json tests/clients/package-lock.json "$tools/node/"
    (
        cd "$tools/node"
        npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
        npm pack --silent --ignore-scripts "ewelink-api@$ewelink_api_version" >&2
        mkdir node_modules/ewelink-api
        tar --extract --gzip --strip-components 1 --directory node_modules/ewelink-api \
            --file "ewelink-api-$ewelink_api_version.tgz"
    )
    echo "$wanted" >"$tools/node/.made-from"
}

bench_tools() {
    command -v valgrind >/dev/null || apt_install valgrind
    command -v curl >/dev/null || apt_install curl
}

fuzz_tools() {
    command -v rustup >/dev/null || fail "fuzzing wants a nightly compiler, and there is no rustup to install one"
    if ! rustup toolchain list | grep -q '^nightly'; then
        say "installing a nightly compiler, which fuzzing wants"
        rustup toolchain install nightly --profile minimal >&2
    fi
    ! command -v cargo-fuzz >/dev/null || return 0
    [ ! -x "$tools/bin/cargo-fuzz" ] || return 0
    say "building cargo-fuzz, which takes some minutes"
    cargo install --quiet --locked --root "$tools" --version "$cargo_fuzz_version" cargo-fuzz
}

lint_tools() {
    rust_component fmt rustfmt
    rust_component clippy clippy
    ! command -v cargo-deny >/dev/null || return 0
    [ ! -x "$tools/bin/cargo-deny" ] || return 0
    say "building cargo-deny, which takes some minutes"
    cargo install --quiet --locked --root "$tools" --version "$cargo_deny_version" cargo-deny
}

deb_tools() {
    # Finds out which libraries the package depends on.
    command -v dpkg-shlibdeps >/dev/null || apt_install dpkg-dev
    ! command -v cargo-deb >/dev/null || return 0
    [ ! -x "$tools/bin/cargo-deb" ] || return 0
    say "building cargo-deb, which takes some minutes"
    cargo install --quiet --locked --root "$tools" --version "$cargo_deb_version" cargo-deb
}

command -v cargo >/dev/null || fail "Rust is missing: see https://rustup.rs"
case "${1:-}" in
    build) build_tools ;;
    test) build_tools && test_tools ;;
    bench) build_tools && bench_tools ;;
    fuzz) build_tools && fuzz_tools ;;
    lint) build_tools && lint_tools ;;
    deb) build_tools && deb_tools ;;
    try-deb) apt_install debootstrap ;;
    *) fail "usage: $0 build|test|bench|fuzz|lint|deb|try-deb" ;;
esac
