#!/usr/bin/env bash
# Builds the missing base images of the Dockerfile and the compose file, on
# machines that cannot pull images: from Debian's packages and this machine's
# Go, under the names in these files. Prints the names of the images that it
# built. Needs root, for debootstrap.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing() { ! docker image inspect "$1" >/dev/null 2>&1; }
named() { grep -o "$1:[A-Za-z0-9.-]*" "$2" | head -1; }

golang=$(named golang Dockerfile)
redis=$(named redis Dockerfile)
haproxy=$(named haproxy deploy/compose.yaml)
if ! missing "$golang" && ! missing "$redis" && ! missing "$haproxy"; then exit; fi

work=$(mktemp -d)
trap 'rm -rf "$work"; docker image rm -f sms-verification-debian >/dev/null 2>&1 || true' EXIT

debootstrap --variant=minbase --include=ca-certificates,haproxy,redis-server "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/debian" >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; exit 1; }
rm -rf "$work"/debian/usr/share/{doc,man,locale} "$work"/debian/var/{cache/apt,lib/apt/lists}/*
tar -C "$work/debian" -c . | docker import - sms-verification-debian >/dev/null

# make NAME DIRECTORY: builds an image from the Dockerfile on stdin.
make() {
  cat >"$work/$2/Dockerfile"
  tar -C "$work/$2" -c . | docker build -t "$1" - >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  echo "$1"
}

if missing "$golang"; then
  mkdir -p "$work/go/go"
  tar -C "$(go env GOROOT)" -c --exclude=./test --exclude=./doc --exclude=./api --exclude=testdata . | tar -C "$work/go/go" -x
  # The build may not reach the module proxy.
  GOMODCACHE=$work/go/mod GOPROXY=file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY) GOFLAGS=-modcacherw go mod download
  make "$golang" go <<-'DOCKERFILE'
	FROM sms-verification-debian
	COPY go /usr/local/go
	COPY mod /go/pkg/mod
	ENV GOPATH=/go GOTOOLCHAIN=local GOPROXY=off PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	DOCKERFILE
fi
if missing "$redis"; then
  mkdir "$work/redis"
  make "$redis" redis <<-'DOCKERFILE'
	FROM sms-verification-debian
	RUN cp -L /usr/bin/redis-server /usr/bin/redis-cli /usr/local/bin/ && mkdir /data && chown 999:999 /data
	VOLUME /data
	WORKDIR /data
	CMD ["redis-server"]
	DOCKERFILE
fi
if missing "$haproxy"; then
  mkdir "$work/haproxy"
  make "$haproxy" haproxy <<-'DOCKERFILE'
	FROM sms-verification-debian
	USER haproxy
	STOPSIGNAL SIGUSR1
	CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
	DOCKERFILE
fi
