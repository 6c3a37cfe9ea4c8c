# The service:  docker build -t sms-verification .
# Its tests:    docker build --target test -t sms-verification-test .

FROM golang:1.26.8-bookworm AS source
WORKDIR /app
ENV CGO_ENABLED=0 GOCACHE=/tmp/go-build
COPY go.mod go.sum ./
RUN go mod download
COPY . .

# With redis-server, so that no test is skipped.
FROM source AS test
COPY --from=redis:7.4-bookworm /usr/local/bin/redis-server /usr/local/bin/
ENTRYPOINT ["/app/deploy/entry.sh"]
CMD ["test"]

FROM source AS build
ARG VERSION=1.0.0
ARG COMMIT=
RUN go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT" \
    -o /sms-verification ./cmd/sms-verification

FROM scratch
ARG VERSION=1.0.0
ARG COMMIT=
LABEL org.opencontainers.image.title="sms-verification" \
      org.opencontainers.image.description="Sends one-time codes by SMS through Flowroute and verifies them" \
      org.opencontainers.image.source="https://github.com/flowroute/sms-verification" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /sms-verification /sms-verification
# Without LISTEN_ADDR, debug mode listens on loopback only, which nobody outside
# the container can reach.
ENV LISTEN_ADDR=:8000 ADMIN_ADDR=:9464
# config.yaml and credentials.yaml are read from here, if they are mounted.
WORKDIR /etc/sms-verification
USER 65532:65532
EXPOSE 8000 9464
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["/sms-verification", "healthcheck"]
ENTRYPOINT ["/sms-verification"]
CMD ["serve"]
