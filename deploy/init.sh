#!/bin/sh
# Creates production/ for compose.yaml, with new secrets, and .env, which
# selects it. FILL IN marks the values that you must add.
set -eu
cd "$(dirname "$0")"
[ ! -e production ] || { echo "init: $PWD/production already exists; nothing was changed" >&2; exit 1; }

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
password=$(random)
hash=$(printf %s "$password" | sha256sum | cut -d' ' -f1)

umask 022 # containers run as other users; the mode of the directory keeps everyone else out
mkdir -m 700 production
sed "s/^user smsv on #[0-9a-f]*/user smsv on #$hash/" trial/users.acl >production/users.acl
cat >production/credentials.yaml <<EOT
flowroute_access_key: "" # FILL IN
flowroute_secret_key: "" # FILL IN
code_secret: $(random)
redis_url: redis://smsv:$password@redis:6379/0
EOT
cat >production/config.yaml <<EOT
# config.sample.yaml lists every setting.
flowroute_number: "" # FILL IN: "1XXXXXXXXXX"
org_name: "" # FILL IN
code_length: 6
code_expiration: 10m
retries_allowed: 5
allowed_prefixes: us,ca
send_limits_total: 1000/24h # FILL IN: the most messages that you will pay for
api_keys: "" # FILL IN: docker run --rm sms-verification keys new NAME
EOT
[ -e .env ] || echo "SETTINGS=./production" >.env
echo "Next, fill in your values: grep -rn 'FILL IN' $PWD/production"
