#!/usr/bin/env bash
# Installs the package into a bare Debian tree, uses it there, removes it, and shows that only data and edited
# configuration stay. Wants root, for the tree.
#
#   scripts/try-deb.sh [PACKAGE]      the newest of target/debian without one
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'try-deb: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

package=${1:-$(ls -t target/debian/*.deb 2>/dev/null | head -n 1)}
[ -n "$package" ] || fail "there is no package: run \`make deb\` first"
[ "$(id -u)" -eq 0 ] || fail "a Debian tree of one's own wants root"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree

mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' | sed -n 1p)
say "making a bare Debian 12"
debootstrap --variant=minbase bookworm "$tree" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail -n 20 "$work/debootstrap.log" >&2; fail "no bare Debian came about"; }

# Everything but what dpkg keeps for itself, and what packages may always leave.
files() { (cd "$tree" && find . -xdev -path ./var/lib/dpkg -prune -o -path ./proc -prune -o -print | sort); }

within() { chroot "$tree" "$@"; }

files >"$work/before"
cp "$package" "$tree/tmp/dragoman.deb"
within dpkg -i /tmp/dragoman.deb >&2
rm "$tree/tmp/dragoman.deb"

say "what was installed works, and nothing was started or enabled"
within dragoman check --offline -c /etc/dragoman/dragoman.toml >&2
within dragoman version >&2
[ -s "$tree/usr/share/man/man1/dragoman.1.gz" ] || fail "there is no manual page"
for completions in bash-completion/completions/dragoman zsh/vendor-completions/_dragoman \
    fish/vendor_completions.d/dragoman.fish; do
    [ -s "$tree/usr/share/$completions" ] || fail "there is no $completions"
done
[ -s "$tree/usr/lib/systemd/system/dragoman.service" ] || fail "there is no unit"
[ -z "$(find "$tree/etc/systemd/system" -name 'dragoman.service')" ] || fail "the unit is enabled"
within dpkg-query -W -f '${Conffiles}\n' dragoman | grep -q /etc/dragoman/dragoman.toml ||
    fail "the config is no conffile"

say "an edited config, a secret and data are the operator's"
printf '\n# mine\n' >>"$tree/etc/dragoman/dragoman.toml"
printf 'secret' >"$tree/etc/dragoman/secrets/mine"
mkdir -p "$tree/var/lib/dragoman" && printf 'data' >"$tree/var/lib/dragoman/accounts.db"
within dpkg -r dragoman >&2
files >"$work/removed"
expected='./etc/dragoman
./etc/dragoman/dragoman.toml
./etc/dragoman/secrets
./etc/dragoman/secrets/mine
./var/lib/dragoman
./var/lib/dragoman/accounts.db'
left=$(comm -13 "$work/before" "$work/removed")
[ "$left" = "$expected" ] || fail "after removing it there was left: $left"
tail -n 1 "$tree/etc/dragoman/dragoman.toml" | grep -q '# mine' || fail "the edited config is not what it was"

within dpkg -P dragoman >&2
[ ! -e "$tree/etc/dragoman/dragoman.toml" ] || fail "purging left the config"
[ -s "$tree/etc/dragoman/secrets/mine" ] && [ -s "$tree/var/lib/dragoman/accounts.db" ] ||
    fail "purging took secrets or data"
say "good: $(basename "$package")"
