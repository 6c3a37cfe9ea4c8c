#!/bin/sh
# Replaces the replicas of compose.yaml one at a time, for a new image, settings
# or secrets. No request is lost: an old replica stops only after a new one is
# healthy, and finishes its requests. Set the same variables as for compose up.
set -eu
cd "$(dirname "$0")"
service=sms-verification
timeout=60 # seconds for a new replica to become healthy

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
[ "$count" -gt 0 ] || { echo "roll: no replica is running; start them with: docker compose up -d" >&2; exit 1; }

for replica in $old; do
  compose up -d --no-deps --no-recreate --scale "$service=$((count + 1))" "$service"
  waited=0
  until healthy; do
    [ "$waited" -lt "$timeout" ] || {
      echo "roll: a replica is not healthy after $timeout s; the others keep running. See: docker compose logs $service" >&2
      exit 1
    }
    sleep 1
    waited=$((waited + 1))
  done
  docker stop -t 25 "$replica" >/dev/null # as stop_grace_period
  docker rm "$replica" >/dev/null
done
