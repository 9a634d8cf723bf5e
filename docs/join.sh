#!/bin/sh
# A whole device in a shell: joins a Wardgate network with nothing but ssh, wg, ip and openssl. It shows docs/protocol.md at work.
#
#   join.sh enroll GATE PORT KEYFILE NAME [ENDPOINT]     once; KEYFILE holds an enrollment key, ENDPOINT is our UDP ADDRESS:PORT
#   join.sh follow GATE PORT INTERFACE                   brings INTERFACE in step with the network, now; call it again for changes
#
# Everything is kept in the current folder. It sets no packet filter: what the policy does not let in, the other side's filter and
# this script's caller must keep out. `wardgate up` does, follows changes as they happen, and writes names and SSH logins too.
set -eu
umask 077

fail() {
  echo "error: $1" >&2
  exit 1
}

field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; } # a text in a one-line JSON object, where its name occurs once

hex() { od -An -v -tx1 | tr -d ' \n'; }

# Trust. The enrollment key names the host CA by fingerprint. The gate's host certificate must be of that CA and for the name that we
# use; OpenSSH checks the CA's signature when it reads a certificate. The key inside is what we hold the gate to from then on.
trust_gate() {
  wanted="SHA256:$(sed 's/^wge_[^_]*_//' "$3" | tr -d '\n' | tr -- '-_' '+/')"
  ssh-keyscan -c -p "$2" "$1" 2>/dev/null | grep -o 'ssh-ed25519-cert-v01@openssh.com [^ ]*' >gate-cert.pub || true
  [ -s gate-cert.pub ] || fail "$1 port $2 shows no host certificate"
  ssh-keygen -L -f gate-cert.pub | grep -q "Signing CA: .* $wanted " || fail "the gate's certificate is not of the CA that the enrollment key names"
  ssh-keygen -L -f gate-cert.pub | sed -n '/Principals:/,/Critical/p' | grep -qx " *$1" || fail "the gate's certificate is not for $1"
  ssh-keyscan -t ed25519 -p "$2" "$1" 2>/dev/null >known_hosts
  [ "$(ssh-keygen -lf known_hosts | cut -d' ' -f2)" = "$(ssh-keygen -lf gate-cert.pub | cut -d' ' -f2)" ] ||
    fail "the gate showed two different keys"
}

talk() { # DOOR@GATE PORT SUBSYSTEM; takes the place of the shell that it is called in
  exec ssh -F none -T -p "$2" -i device_key -o IdentitiesOnly=yes -o UserKnownHostsFile=known_hosts -o GlobalKnownHostsFile=/dev/null \
    -o StrictHostKeyChecking=yes -o HostKeyAlgorithms=ssh-ed25519 -o BatchMode=yes -s "$1" "$3"
}

# WireGuard's raw 32 bytes as openssl reads them (RFC 8410).
private_der() {
  printf '\060\056\002\001\000\060\005\006\003\053\145\156\004\042\004\040'
  base64 -d wireguard.key
}
public_der() {
  printf '\060\052\060\005\006\003\053\145\156\003\041\000'
  printf %s "$1" | base64 -d
}

# HMAC-SHA256 under the secret shared with the gate's one-time key, of who enrolls what. $1 the gate's key, $2 its nonce.
proof() {
  private_der | openssl pkey -inform DER -out wireguard.pem
  public_der "$1" | openssl pkey -pubin -inform DER -out gate.pem
  secret=$(openssl pkeyutl -derive -inkey wireguard.pem -peerkey gate.pem | hex)
  case $secret in *[!0]*) ;; *) fail "the gate's key is not a real one" ;; esac
  {
    printf wardgate-enroll-1
    printf %s "$2" | base64 -d
    cut -d' ' -f2 device_key.pub | base64 -d | openssl dgst -sha256 -binary
    base64 -d wireguard.pub
  } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$secret" -binary | base64
}

enroll() { # GATE PORT KEYFILE NAME [ENDPOINT]
  trust_gate "$1" "$2" "$3"
  [ -e device_key ] || ssh-keygen -q -t ed25519 -N '' -C "$4" -f device_key
  [ -e wireguard.key ] || wg genkey >wireguard.key
  wg pubkey <wireguard.key >wireguard.pub
  rm -f to_gate from_gate
  mkfifo to_gate from_gate
  talk "enroll@$1" "$2" enroll <to_gate >from_gate &
  exec 3>to_gate 4<from_gate
  printf '{"type":"enroll","enrollment_key":"%s","name":"%s","wireguard_key":"%s","endpoints":[%s]}\n' \
    "$(cat "$3")" "$4" "$(cat wireguard.pub)" "${5:+\"$5\"}" >&3
  read -r challenge <&4 || fail "the gate said nothing"
  case $challenge in *'"type":"challenge"'*) ;; *) fail "$challenge" ;; esac
  mac=$(proof "$(echo "$challenge" | field gate_key)" "$(echo "$challenge" | field nonce)")
  printf '{"type":"proof","mac":"%s"}\n' "$mac" >&3
  read -r answer <&4 || fail "the gate said nothing"
  exec 3>&- 4<&-
  rm -f to_gate from_gate
  case $answer in *'"type":"enrolled"'*) echo "$answer" ;; *) fail "$answer" ;; esac
}

follow() { # GATE PORT INTERFACE
  rm -f from_gate
  mkfifo from_gate
  talk "device@$1" "$2" peers </dev/null >from_gate &
  sed 1q <from_gate >netmap.json # the whole map; deltas would follow for as long as we stayed
  kill $! 2>/dev/null || true
  rm -f from_gate
  grep -q '"type":"netmap"' netmap.json || fail "$(cat netmap.json)"
  ip link show "$3" >/dev/null 2>&1 || ip link add "$3" type wireguard 2>/dev/null || wireguard-go "$3" >/dev/null 2>&1
  wg set "$3" private-key ./wireguard.key listen-port "${LISTEN_PORT:-51820}"
  sed 's/.*"device":{\([^}]*\).*/\1/' netmap.json >device.json
  ip address replace "$(field ipv4 <device.json)/32" dev "$3"
  ip address replace "$(field ipv6 <device.json)/128" dev "$3"
  ip link set "$3" up
  # One peer a line: all objects between "peers":[ and the next top-level key begin with an id.
  sed 's/.*"peers":\[\(.*\)\],"filter".*/\1/; s/{"id"/\n{"id"/g' netmap.json | grep '"wireguard_key"' | while read -r peer; do
    allowed=$(echo "$peer" | sed 's/.*"allowed_ips":\[\([^]]*\)\].*/\1/; s/"//g')
    endpoint=$(echo "$peer" | sed -n 's/.*"endpoints":\["\([^"]*\)".*/\1/p')
    # shellcheck disable=SC2086
    wg set "$3" peer "$(echo "$peer" | field wireguard_key)" allowed-ips "$allowed" persistent-keepalive 25 ${endpoint:+endpoint $endpoint}
    for prefix in $(echo "$allowed" | tr , ' '); do ip route replace "$prefix" dev "$3"; done
  done
}

case "${1:-} $#" in
  'enroll 5' | 'enroll 6' | 'follow 4') "$@" ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
