#!/usr/bin/env bash
# Makes the secrets of a new installation in secrets/, each a file; one that is there is never changed.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

random() { head -c 48 /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_'; }
secret() { # NAME VALUE
  [ -e "secrets/$1" ] || printf '%s' "$2" > "secrets/$1"
}

secret postgres_password "$(random)"
secret redis_password "$(random)"
secret elastic_password "$(random)"
secret airflow_api_secret "$(random)"
secret airflow_jwt_secret "$(random)$(random)"
secret link_key "$(random)"
secret airflow_fernet_key "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')"
secret airflow_database "postgresql+psycopg2://airflow:$(cat secrets/postgres_password)@postgres/airflow"
secret airflow_results "db+postgresql+psycopg2://airflow:$(cat secrets/postgres_password)@postgres/airflow"
secret airflow_broker "redis://:$(cat secrets/redis_password)@redis:6379/0"
# Filled by other hands: keys for the store (docker compose run --rm keys), people at the proxy, tokens of sources.
for name in elasticsearch_triage elasticsearch_pages elasticsearch_admin people x_bearer_token; do secret "$name" ""; done
# Each is read by the user of its container: 10001 is Tocsin's and Airflow's, 1000 Elasticsearch's, 999 Redis's.
if [ "$(id -u)" = 0 ]; then
  chown 10001 secrets/airflow_* secrets/elasticsearch_* secrets/link_key secrets/x_bearer_token
  chown 1000 secrets/elastic_password
  chown 999 secrets/redis_password
fi
chmod 0600 secrets/*
echo "secrets are in $PWD/secrets; what is still empty there: $(find secrets -empty -printf '%f ')"
