#!/bin/sh
# Entry point of the test image:
#
#   serve      the service
#   test       the tests, with arguments for go test, such as: test -run TestRace ./cmd/...
#   coverage   the tests, with a report in cov-report/index.html
set -e
cd "$(dirname "$0")/.."
command=${1:-test}
[ $# -eq 0 ] || shift

case $command in
serve)
  go build -o /tmp/sms-verification ./cmd/sms-verification
  exec /tmp/sms-verification serve "$@"
  ;;
test)
  [ $# -gt 0 ] || set -- ./...
  exec go test "$@"
  ;;
coverage)
  [ $# -gt 0 ] || set -- -coverpkg=./... ./...
  mkdir -p cov-report
  go test -coverprofile=cov-report/cover.out "$@"
  exec go tool cover -html=cov-report/cover.out -o cov-report/index.html
  ;;
*)
  exec "$command" "$@"
  ;;
esac
