#!/bin/sh
# Makes production/ for compose.yaml, with fresh secrets, and .env, which
# leads there. What is still to be written into it is marked with FILL IN.
set -eu
cd "$(dirname "$0")"
[ ! -e production ] || { echo "init: deploy/production is there already; nothing was changed" >&2; exit 1; }

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
password=$(random)
hash=$(printf %s "$password" | sha256sum | cut -d' ' -f1)

umask 022 # the containers are neither of this user nor of its group; the directory keeps everybody else out
mkdir -m 700 production
sed "s/^user smsv on #[0-9a-f]*/user smsv on #$hash/" trial/users.acl >production/users.acl
cat >production/credentials.yaml <<EOT
flowroute_access_key: "" # FILL IN
flowroute_secret_key: "" # FILL IN
code_secret: $(random)
redis_url: redis://smsv:$password@redis:6379/0
EOT
cat >production/config.yaml <<EOT
# Every setting is in config.sample.yaml.
flowroute_number: "" # FILL IN: "1XXXXXXXXXX"
org_name: "" # FILL IN
code_length: 6
code_expiration: 10m
retries_allowed: 5
allowed_prefixes: us,ca
send_limits_total: 1000/24h # FILL IN: the most messages that you want to pay for
api_keys: "" # FILL IN: docker run --rm sms-verification keys new NAME
EOT
[ -e .env ] || echo "SETTINGS=./production" >.env
echo "Now write your own into deploy/production: grep -rn 'FILL IN' deploy/production"
