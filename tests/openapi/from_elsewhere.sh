#!/bin/sh
# Callers from another machine, played by another network namespace: reads are answered, writes need the
# token, and whoever has it is still not root. usage: from_elsewhere.sh BIN
# Exit 77: skipped, with the reason.
set -eu
bin=${1:?usage: from_elsewhere.sh BIN}
skip() { echo "skipped: $1"; exit 77; }
command -v ip >/dev/null || skip "ip is not installed (apt-get install iproute2)"
command -v curl >/dev/null || skip "curl is not installed"
[ "$(id -u)" = 0 ] || skip "network namespaces are made by root"

space=headroom-$$
link=hr$$
net=10.$((64 + $$ / 256 % 128)).$(($$ % 256))
ip netns add "$space" 2>/dev/null || skip "no network namespace can be made here"
dir=$(mktemp -d)
daemon=""
finish() {
  [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null || true; }
  ip link del "${link}a" 2>/dev/null || true
  ip netns del "$space" 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
ip link add "${link}a" type veth peer name "${link}b" 2>/dev/null || skip "no pair of interfaces can be made here"
ip link set "${link}b" netns "$space"
ip addr add "$net.1/24" dev "${link}a"
ip link set "${link}a" up
ip netns exec "$space" ip addr add "$net.2/24" dev "${link}b"
ip netns exec "$space" ip link set "${link}b" up

token=open-sesame-open-sesame
(umask 077; echo "$token" >"$dir/token")
start() {
  HEADROOM_SAMPLE__GPU=none "$bin/headroomd" --foreground --config "$dir/c.toml" --socket "$dir/h.sock" \
    --state "$dir/state" --listen 0.0.0.0:0 >"$dir/log" 2>&1 &
  daemon=$!
  # The port is the kernel's choice: it says so when it serves.
  port=""
  tries=0
  until [ -n "$port" ] && curl -fs "http://127.0.0.1:$port/readyz" >/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ]; then cat "$dir/log"; exit 1; fi
    sleep 0.1
    port=$(sed -n 's,^headroomd serves on .*http://0.0.0.0:\([0-9]*\)$,\1,p' "$dir/log")
  done
  url="http://$net.1:$port"
}
stop() { kill "$daemon"; wait "$daemon" || true; daemon=""; }

wrong=0
# expect STATUS WHAT CURL-WORDS...: from the other side.
expect() {
  wanted=$1
  what=$2
  shift 2
  got=$(ip netns exec "$space" curl -s -m 60 -o "$dir/answer" -w '%{http_code}' "$@") || got="none"
  if [ "$got" != "$wanted" ]; then
    echo "$what: $got instead of $wanted: $(cat "$dir/answer" 2>/dev/null)"
    wrong=1
  fi
}
lease='{"name":"far","needs":{"memory_bytes":1048576},"holder":{"pid":null},"ttl_seconds":600}'
change='{"changes":{"pressure.memory.warning":71}}'
key="Authorization: Bearer $token"

printf '[http]\ntoken_file = "%s"\n' "$dir/token" >"$dir/c.toml"
start
expect 200 "a read" "$url/api/v1/room"
expect 403 "a read under another name" -H "Host: evil.example" "$url/api/v1/room"
expect 401 "a write" -d "$lease" "$url/api/v1/leases"
expect 401 "a write with another word" -H "$key-" -d "$lease" "$url/api/v1/leases"
expect 201 "a write with the token" -H "$key" -d "$lease" "$url/api/v1/leases"
id=$(sed 's/.*"id":"\(l-[0-9]*\)".*/\1/' "$dir/answer")
expect 403 "another user's lease, with the token" -H "$key" -X DELETE \
  "$url/api/v1/leases/$(curl -s -d "$lease" "http://127.0.0.1:$port/api/v1/leases" | sed 's/.*"id":"\(l-[0-9]*\)".*/\1/')"
expect 200 "its own lease, with the token" -H "$key" -X DELETE "$url/api/v1/leases/$id"
expect 403 "the configuration, with the token" -H "$key" -X PATCH -d "$change" "$url/api/v1/config"
expect 200 "the processes" "$url/api/v1/processes"
if grep -q '"command":"' "$dir/answer"; then echo "a stranger sees the words of a process"; wrong=1; fi
stop

printf '[http]\ntoken_file = "%s"\nprivate = true\n' "$dir/token" >"$dir/c.toml"
start
expect 401 "a private read" "$url/api/v1/room"
expect 200 "a private read with the token" -H "$key" "$url/api/v1/room"
expect 200 "whether it lives" "$url/healthz"
[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/api/v1/room")" = 200 ] ||
  { echo "a private daemon does not answer its own machine"; wrong=1; }
stop

# Without a token nobody else is let in at all.
: >"$dir/c.toml"
if "$bin/headroomd" --foreground --config "$dir/c.toml" --socket "$dir/h.sock" --state "$dir/state" \
  --listen 0.0.0.0:0 >"$dir/log" 2>&1; then
  echo "a daemon without a token listens to other machines"
  wrong=1
fi
exit $wrong
