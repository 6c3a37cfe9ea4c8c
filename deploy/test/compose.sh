#!/usr/bin/env bash
# Builds the images, brings compose.yaml up with its trial, and runs the tests
# of this directory against it. Where Docker is not there it says so and ends.
#
#   bash deploy/test/compose.sh [ARGUMENTS OF go test, such as -run TestRoll]
#
# Base images that this machine lacks are made from Debian's packages and this
# machine's Go; pull them before to try the real ones. All that was made is
# removed at the end, but with KEEP=1 the images stay for the next time.
set -euo pipefail
cd "$(dirname "$0")/../.."

docker info --format '{{.ServerVersion}}' >/dev/null 2>&1 || { echo "compose.sh: skipped, no Docker answers here"; exit; }
if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose=docker-compose; fi

id=$$
export IMAGE=sms-verification-tried TEST_IMAGE=sms-verification-tried-test
export COMPOSE_PROJECT_NAME=sms-verification-tried-$id COMPOSE_FILE=$PWD/deploy/compose.yaml
export SUBNET=10.213.$((id % 256)).0/24 PUBLISH=127.0.0.1: SIMULATOR_PUBLISH=127.0.0.1: # free ports
export SETTINGS SIMULATOR_RATE=0 DEPLOYED_COMPOSE=$compose DOCKER_BUILDKIT=0
SETTINGS=$(mktemp -d)
made=()

cleanup() {
  status=$?
  if [ $status != 0 ]; then $compose --profile trial logs --tail 20 2>/dev/null || true; fi
  $compose --profile trial down --volumes --timeout 1 >/dev/null 2>&1 || true
  if [ -z "${KEEP:-}" ]; then
    docker image rm -f "$TEST_IMAGE" "$IMAGE" "$IMAGE-build" "${made[@]}" >/dev/null 2>&1 || true
  fi
  rm -rf "$SETTINGS"
  exit $status
}
trap cleanup EXIT

timed() { printf '%s ' "$1:"; shift; local begun=$SECONDS; "$@"; echo "$((SECONDS - begun)) s"; }
base() { mapfile -t made < <(bash deploy/test/base-images.sh); echo -n "${made[*]:-all there}, "; }
build() {
  docker build --build-arg VERSION=tried --build-arg COMMIT=none "$@" . >"$SETTINGS/log" 2>&1 || { cat "$SETTINGS/log"; false; }
}

timed "base images" base
timed "image" build -t "$IMAGE"
build --target build -t "$IMAGE-build" # a name for what was left over, to remove it by
timed "image of the tests" build --target test -t "$TEST_IMAGE"

cp deploy/trial/* "$SETTINGS" # with no limit on the pace: it is not what is tried here
echo "flowroute_rate: 0" >>"$SETTINGS/config.yaml"
chmod -R a+rX "$SETTINGS"
# What was built is written to the disk by now, or Redis, which writes every
# change to it at once (appendfsync always), would have to wait for that.
sync
timed "up" $compose --profile trial up -d --no-build --quiet-pull
export DEPLOYED_URL DEPLOYED_SIMULATOR
DEPLOYED_URL=http://$($compose port balancer 8000)
DEPLOYED_SIMULATOR=http://$($compose --profile trial port flowroute 9999)
go test -count=1 -v -timeout 15m ./deploy/test "$@"
