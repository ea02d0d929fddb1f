#!/bin/bash
# The main job of lodekey on one machine, for real: a TPM emulator with an endorsement certificate of its own vendor, an
# issuer, an agent, and programs of other users that get identities. Start it with ./dev demo [--keep].
set -euo pipefail

readonly BIN=${LODEKEY_BIN:?run this through ./dev demo}
readonly PYTHON=${LODEKEY_PYTHON:?run this through ./dev demo}
readonly SOURCE=$(dirname "$(readlink -f "$0")")
readonly TRUST_DOMAIN=demo.example
readonly TAMPERED_PCR=8
# Three programs, each under a user of its own. Nobody has these numbers.
readonly SHOP=47101 TILL=47102 STRANGER=47103
readonly OWNER=${SUDO_UID:-$(id -u)}
keep=false
case "${1:-}" in
  "") ;;
  --keep) keep=true ;;
  *) echo "usage: ./dev demo [--keep]" >&2; exit 2 ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/lodekey-demo.XXXXXX")
readonly work
# Others reach the Workload API, and nothing else.
mkdir -m 0700 "$work/chip" "$work/admin"
mkdir -m 0755 "$work/public"
chmod 0711 "$work"
pids=()

finish() {
  local status=$?
  ((status == 0)) || {
    echo
    echo "The demo failed. The last lines of the programs' logs:"
    tail -n 5 "$work"/*.log 2>/dev/null || true
  }
  if ((status == 0)) && $keep; then return; fi
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT

# Bold on a terminal alone: a file or a pipe gets the plain text.
bold='' plain=''
if [[ -t 1 ]]; then bold=$'\033[1m' plain=$'\033[0m'; fi
readonly bold plain
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
tell() { printf '  %s\n' "$*"; }

# start NAME COMMAND…: in the background, its output in NAME.log. It outlives this script with --keep.
start() {
  local name=$1
  shift
  setsid "$@" >"$work/$name.log" 2>&1 </dev/null &
  pids+=($!)
}

# until_true SECONDS WHAT COMMAND…: waits until the command succeeds.
until_true() {
  local seconds=$1 what=$2 i
  shift 2
  for ((i = 0; i < seconds * 10; i++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  echo "waited $seconds s in vain for: $what" >&2
  return 1
}

lodekey() { "$BIN/lodekey" --config "$work/agent.toml" "$@"; }
node_status() { lodekey status -o json || true; }
field() { node_status | jq -r ".$1 // empty"; }
attested_again() { [[ $(field last_attested) != "$1" ]]; }
phase_is() { [[ $(field phase) == "$1" ]]; }

# --- workloads ------------------------------------------------------------------------------------

readonly shop=spiffe://$TRUST_DOMAIN/shop till=spiffe://$TRUST_DOMAIN/till
readonly endpoint=unix://$work/public/workload.sock

# command_as UID ARGUMENT…: workload.py under this user, with nothing but the endpoint's address.
command_as() {
  command=(setpriv --reuid "$1" --regid "$1" --clear-groups -- env --ignore-environment
    "SPIFFE_ENDPOINT_SOCKET=$endpoint" PYTHONDONTWRITEBYTECODE=1
    "$work/public/python/bin/python" "$work/public/workload.py" "${@:2}")
}
run_as() {
  local -a command
  command_as "$@"
  "${command[@]}"
}
# start_as UID NAME ARGUMENT…
start_as() {
  local -a command
  command_as "$1" "${@:3}"
  start "$2" "${command[@]}"
}
told() { sed "s/^/  $1: /" "$work/$1.log"; }
both_ended() { grep -q ' ended: ' "$work/shop.log" && grep -q ' ended: ' "$work/till.log"; }

# --- a TPM and its vendor -------------------------------------------------------------------------

make_tpm() {
  mkdir -p "$work/vendor" "$work/tpm"
  cat >"$work/vendor/localca.conf" <<END
statedir = $work/vendor
signingkey = $work/vendor/signkey.pem
issuercert = $work/vendor/issuercert.pem
certserial = $work/vendor/certserial
END
  : >"$work/vendor/localca.options"
  cat >"$work/vendor/setup.conf" <<END
create_certs_tool = /usr/bin/swtpm_localca
create_certs_tool_config = $work/vendor/localca.conf
create_certs_tool_options = $work/vendor/localca.options
active_pcr_banks = sha256
END
  swtpm_setup --tpm2 --tpm-state "$work/tpm" --config "$work/vendor/setup.conf" \
    --create-ek-cert --lock-nvram --vmid demo >"$work/swtpm_setup.log" 2>&1
  start swtpm swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --flags not-need-init,startup-clear \
    --server "type=unixio,path=$work/chip/tpm.sock" --ctrl "type=unixio,path=$work/chip/tpm.sock.ctrl"
  until_true 5 "the TPM emulator" test -S "$work/chip/tpm.sock"
  # The emulator serves one program at a time; a real /dev/tpmrm0 serves many. This stands in for it.
  start tpm-mux "$BIN/lodekey-tpm-mux" "$work/chip/tpm.sock" "$work/chip/tpmrm.sock"
  until_true 5 "the TPM's resource manager" test -S "$work/chip/tpmrm.sock"
}

# --- an issuer ------------------------------------------------------------------------------------

make_issuer() {
  mkdir -p "$work/roots"
  cp "$work/vendor/issuercert.pem" "$work/vendor/swtpm-localca-rootca-cert.pem" "$work/roots/"
  cat >"$work/issuer.toml" <<END
trust_domain = "$TRUST_DOMAIN"
listen = "127.0.0.1:$port"
state_dir = "$work/issuer"
[admin]
socket = "$work/admin/admin.sock"
[admission]
vendor_roots = "$work/roots"
[attestation]
interval = "2s"
[ca]
node_ttl = "60s"
END
  "$BIN/lodekey-issuer" --config "$work/issuer.toml" init >"$work/init.log"
  pin=$(grep -o 'sha256:[0-9a-f]*' "$work/init.log")
  start issuer "$BIN/lodekey-issuer" --config "$work/issuer.toml"
  until_true 10 "the issuer" test -S "$work/admin/admin.sock"
  # The policy says which chips may come: here those alone that a known vendor made.
  "$BIN/lodekey" policy show --write "$work/policy" >/dev/null
  sed -i 's/"minimum_assurance": "inventory"/"minimum_assurance": "hardware"/' "$work/policy/data.json"
  "$BIN/lodekey" policy apply "$work/policy" >/dev/null
}

free_port() {
  local candidate
  for candidate in $(shuf -i 20000-29999 -n 50); do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "no free port found" >&2
  return 1
}

# --- the story ------------------------------------------------------------------------------------

port=$(free_port)
export LODEKEY_ADMIN_SOCKET=$work/admin/admin.sock

step "1. A host with a TPM. Its vendor has certified the chip's endorsement key."
make_tpm
tell "TPM emulator: $work/chip/tpm.sock"

step "2. An issuer that trusts this vendor, on SQLite."
make_issuer
tell "trust domain $TRUST_DOMAIN, port $port"

step "3. The host's configuration: three lines and where its TPM is. Nothing in it is secret."
cat >"$work/agent.toml" <<END
trust_domain = "$TRUST_DOMAIN"
issuer = "127.0.0.1:$port"
issuer_pins = ["$pin"]
[tpm]
tcti = "swtpm:path=$work/chip/tpmrm.sock"
[agent]
state_dir = "$work/agent"
runtime_dir = "$work/run"
socket = "$work/admin/agent.sock"
[workload]
socket = "$work/public/workload.sock"
[retry]
first = "500ms"
max = "2s"
END
sed 's/^/  | /' "$work/agent.toml" | head -3

step "4. The endorsement key goes into the inventory: this chip, and no other of its vendor, may enrol."
ek=$(lodekey ek -o json | jq -r .ek_hash)
tell "lodekey node allow $ek"
lodekey node allow "$ek" --label site=lab >/dev/null

step "5. The agent starts, proves the chip, and gets its identity for a key that stays in the chip."
start lodekeyd "$BIN/lodekeyd" --config "$work/agent.toml"
until_true 20 "the agent's socket" test -S "$work/admin/agent.sock"
lodekey status --wait 20s >/dev/null
tell "$(field spiffe_id)"
tell "valid until $(field not_after)"
if grep -rlE 'PRIVATE KEY' "$work/agent" "$work/run" >/dev/null; then
  echo "a private key lies in the agent's files" >&2
  exit 1
fi
tell "no private key in the agent's files: TLS to the issuer is signed by the TPM"

step "6. It attests again on schedule, over mutual TLS."
before=$(field last_attested)
until_true 20 "the next attestation" attested_again "$before"
tell "attested at $(field last_attested)"

step "7. Two programs under users of their own get identities that nobody handed them, and talk mutual TLS."
if ((EUID == 0)); then
  cp -r "$PYTHON" "$work/public/python"
  cp "$SOURCE/workload.py" "$work/public/"
  tell "lodekey entry create --spiffe-id $shop --node ${ek:0:16} --selector unix:uid:$SHOP"
  lodekey entry create --spiffe-id "$shop" --node "$ek" --selector "unix:uid:$SHOP" >/dev/null
  tell "lodekey entry create --spiffe-id $till --node ${ek:0:16} --selector unix:uid:$TILL"
  lodekey entry create --spiffe-id "$till" --node "$ek" --selector "unix:uid:$TILL" >/dev/null
  workload_port=$(free_port)
  start_as "$SHOP" shop serve "$workload_port" "$till"
  until_true 20 "the shop" grep -q 'waits for' "$work/shop.log"
  start_as "$TILL" till call "$workload_port" "$shop"
  until_true 20 "the mutual TLS call" grep -q ' says: ' "$work/till.log"
  told shop
  told till

  step "8. A third program, for which there is no entry, is refused."
  if run_as "$STRANGER" fetch >"$work/stranger.log" 2>&1; then
    echo "a stranger got an identity" >&2
    exit 1
  fi
  told stranger
else
  tell "left out: it needs root, because each program runs under a user of its own"
fi

step "9. What this boot measured is approved as the reference for its group."
lodekey node approve-pcrs "$ek" >/dev/null
tell "lodekey node approve-pcrs ${ek:0:16}"

step "10. Behind the agent's back, somebody extends PCR $TAMPERED_PCR."
TPM2TOOLS_TCTI="swtpm:path=$work/chip/tpmrm.sock" tpm2_pcrextend \
  "$TAMPERED_PCR:sha256=$(printf 'a changed kernel command line' | sha256sum | cut -d' ' -f1)"
until_true 20 "the refusal" phase_is refused
[[ -z $(field spiffe_id) ]]
tell "the next attestation is refused and the identity is withdrawn: $(lodekey node show "$ek" -o json | jq -r .node.standing)"

if ((EUID == 0)); then
  step "11. The streams of both programs end at once."
  until_true 10 "the end of both streams" both_ended
  tell "shop: $(tail -n 1 "$work/shop.log")"
  tell "till: $(tail -n 1 "$work/till.log")"
fi

step "12. Why, and what would accept it:"
lodekey explain | fold -s -w 110 | sed 's/^/  /'

step "13. An operator looks at it, accepts the change, and the host has its identity again."
lodekey node approve-pcrs "$ek" --pcr "$TAMPERED_PCR" >/dev/null
lodekey attest >/dev/null
tell "$(field spiffe_id)"

step "14. The audit log tells the story, and shows if somebody changes it."
lodekey audit verify | sed 's/^/  /'

if $keep; then
  lodekey entry create --spiffe-id "spiffe://$TRUST_DOMAIN/demo" --node "$ek" \
    --selector "unix:uid:$OWNER" --jwt-audience '*' >/dev/null
  step "Everything keeps running. Any process of user $OWNER is spiffe://$TRUST_DOMAIN/demo here:"
  echo "SPIFFE_ENDPOINT_SOCKET=$endpoint"
  step "To go on exploring:"
  cat <<END
  export SPIFFE_ENDPOINT_SOCKET=$endpoint
  export LODEKEY_ADMIN_SOCKET=$work/admin/admin.sock
  alias lodekey='$BIN/lodekey --config $work/agent.toml'
  lodekey status
  lodekey node list
  lodekey svid fetch x509
  lodekey svid fetch jwt --audience anybody
  lodekey entry list
  lodekey doctor
  less $work/issuer/audit.jsonl
  kill ${pids[*]}; sleep 1; rm -r $work    # the end
END
else
  step "Done; everything is stopped and removed. ./dev demo --keep leaves it running."
fi
