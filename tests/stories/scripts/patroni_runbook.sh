#!/bin/sh
# A runbook as people write it for Patroni: curl and jq, nothing of Evergres.
# usage: patroni_runbook.sh CURL_CONFIG URL...      (CURL_CONFIG: a file with user = "name:password")
set -eu
credentials=$1
shift
any=$1

say() { printf '%s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

# request METHOD URL [BODY]: prints "CODE BODY"
request() {
    curl -sS -K "$credentials" -X "$1" ${3:+-d "$3"} -w '\n%{http_code}' "$2" |
        { body=$(cat); say "${body##*
} ${body%
*}"; }
}

# must CODE METHOD URL [BODY]
must() {
    wanted=$1
    shift
    answer=$(request "$@")
    say "$1 $2 ${3:-} -> $answer"
    [ "${answer%% *}" = "$wanted" ] || die "wanted $wanted"
}

members() { curl -sS "$any/cluster" | jq -r "$1"; }
leader() { members '.members[] | select(.role == "leader").name'; }
replica() { members '[.members[] | select(.role != "leader")][0].name'; }
url_of() { members ".members[] | select(.name == \"$1\").api_url" | sed 's,/patroni$,,'; }

# wait_for WHAT COMMAND...
wait_for() {
    what=$1
    shift
    for _ in $(seq 600); do
        if "$@"; then return 0; fi
        sleep 0.2
    done
    die "no $what: $(curl -sS "$any/cluster")"
}
leads() { [ "$(leader)" = "$1" ]; }
# As with Patroni's synchronous mode: only who acknowledges commits can be a candidate.
healthy() {
    [ "$(members '[.members[] | select(.role == "leader" and .state == "running")] | length')" = 1 ] &&
        [ "$(members '[.members[] | select(.role != "leader" and (.role != "quorum_standby" or
              .state != "streaming" or .lag == "unknown" or .lag > 1048576))] | length')" = 0 ]
}
primary_code() { [ "$(curl -sS -o /dev/null -w '%{http_code}' "$(url_of "$1")/primary")" = "$2" ]; }
started() { curl -sS "$(url_of "$1")/patroni" | jq -r .postmaster_start_time; }
restarted() { now=$(started "$1"); [ "$now" != null ] && [ "$now" != "$2" ]; }

wait_for "healthy cluster" healthy
old=$(leader)
new=$(replica)
must 412 POST "$any/switchover" "{\"leader\": \"$new\", \"candidate\": \"$old\"}"
must 200 POST "$any/switchover" "{\"leader\": \"$old\", \"candidate\": \"$new\"}"
wait_for "leader $new" leads "$new"
wait_for "200 of $new" primary_code "$new" 200
wait_for "503 of $old" primary_code "$old" 503
wait_for "healthy cluster" healthy

before=$(started "$old")
must 503 POST "$(url_of "$old")/restart" '{"role": "primary"}'
must 200 POST "$(url_of "$old")/restart" '{"role": "replica"}'
wait_for "new start of $old" restarted "$old" "$before"
wait_for "healthy cluster" healthy

before=$(started "$new")
must 200 POST "$(url_of "$new")/restart"
wait_for "new start of $new" restarted "$new" "$before"
wait_for "healthy cluster" healthy
leads "$new" || die "the restart moved the leadership"

must 202 POST "$(url_of "$old")/reload"
wait_for "healthy cluster" healthy

must 503 POST "$(url_of "$new")/reinitialize"
before=$(started "$old")
must 200 POST "$(url_of "$old")/reinitialize" '{"force": true}'
wait_for "new start of $old" restarted "$old" "$before"
wait_for "healthy cluster" healthy

must 404 DELETE "$any/switchover"
must 200 POST "$any/failover" "{\"candidate\": \"$old\"}"
wait_for "leader $old" leads "$old"
wait_for "healthy cluster" healthy
say done
