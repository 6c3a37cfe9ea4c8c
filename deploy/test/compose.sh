#!/usr/bin/env bash
# Builds the images, starts compose.yaml with its trial, and runs the tests of
# this directory against it. Without Docker it is skipped.
#
#   bash deploy/test/compose.sh [ARGUMENTS OF go test, such as -run TestRoll]
#
# Missing base images are built from Debian's packages and this machine's Go;
# pull the real ones first to test those. Everything is removed at the end; with
# KEEP=1 the images stay.
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
build --target build -t "$IMAGE-build" # named, so that cleanup can remove it
timed "image of the tests" build --target test -t "$TEST_IMAGE"

cp deploy/trial/* "$SETTINGS" # without a send rate, which is not tested here
echo "flowroute_rate: 0" >>"$SETTINGS/config.yaml"
chmod -R a+rX "$SETTINGS"
# Otherwise Redis, which syncs every write (appendfsync always), would wait for
# the built images to reach the disk.
sync
timed "up" $compose --profile trial up -d --no-build --quiet-pull
export DEPLOYED_URL DEPLOYED_SIMULATOR
DEPLOYED_URL=http://$($compose port balancer 8000)
DEPLOYED_SIMULATOR=http://$($compose --profile trial port flowroute 9999)
go test -count=1 -v -timeout 15m ./deploy/test "$@"
