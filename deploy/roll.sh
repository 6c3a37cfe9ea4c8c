#!/bin/sh
# Replaces the replicas of compose.yaml one after another, for a new image, new
# settings or new secrets. No request is lost: each new replica is healthy
# before an old one is told to stop, and that one finishes what it has.
# Set the same variables as for compose up.
set -eu
cd "$(dirname "$0")"
service=sms-verification
patience=60 # seconds for a new replica to become healthy

compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}

healthy() { # all replicas
  for any in $(compose ps -q "$service"); do
    [ "$(docker inspect -f '{{.State.Health.Status}}' "$any")" = healthy ] || return 1
  done
}

old=$(compose ps -q "$service")
count=$(echo "$old" | wc -w)
[ "$count" -gt 0 ] || { echo "roll: no replica runs; start with: docker compose up -d" >&2; exit 1; }

for replica in $old; do
  compose up -d --no-deps --no-recreate --scale "$service=$((count + 1))" "$service"
  waited=0
  until healthy; do
    [ "$waited" -lt "$patience" ] || {
      echo "roll: not every replica is healthy after $patience s; the others go on as they were. See: docker compose logs $service" >&2
      exit 1
    }
    sleep 1
    waited=$((waited + 1))
  done
  docker stop -t 25 "$replica" >/dev/null # as stop_grace_period
  docker rm "$replica" >/dev/null
done
