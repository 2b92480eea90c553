#!/usr/bin/env bash
# The Elasticsearch of the store tests, fetched once into a cache folder: Elastic's own minimal distribution, from Maven
# Central. `tests/node.py` starts it. Elsewhere, or with TOCSIN_TEST_ELASTICSEARCH_URL naming a node, nothing is fetched.
set -uo pipefail
VERSION=9.2.8
SHA256=db508f13489de1f46f1af9b487e1589071f34f5eb03a996b851a8bd67880f09b # Central publishes none for this file
cache="${XDG_CACHE_HOME:-$HOME/.cache}/tocsin"
zip="$cache/elasticsearch-$VERSION.zip"

without() { # REASON: this machine cannot have the node; those tests are skipped
  echo "no Elasticsearch: $1; its tests are skipped (TOCSIN_TEST_ELASTICSEARCH_URL may name a node to use)" >&2
  exit 0
}
failed() { # REASON: this machine could have it
  echo "no Elasticsearch: $1" >&2
  [ -z "${CI:-}" ] && exit 0
  exit 1
}
sound() { echo "$SHA256  $1" | sha256sum --check --status; }

[ -n "${TOCSIN_TEST_ELASTICSEARCH_URL:-}" ] && exit 0
python="${PYTHON:-.venv/bin/python}"
"$python" -m tests.node java >/dev/null || without "no JDK 21 or newer in JAVA_HOME or /usr/lib/jvm"
[ -s "$zip" ] && sound "$zip" && exit 0
command -v mvn >/dev/null || without "no mvn to fetch it with"
echo "fetching Elasticsearch $VERSION for the store tests"
part="$(mktemp -d)"
trap 'rm -rf "$part"' EXIT
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
  -Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$VERSION:zip -DoutputDirectory="$part" \
  >"$part/log" 2>&1 || { tail -n 3 "$part/log" >&2; failed "mvn could not fetch it"; }
sound "$part/elasticsearch-$VERSION.zip" || failed "what mvn fetched is not $VERSION (its sha256 differs)"
mkdir -p "$cache" && mv "$part/elasticsearch-$VERSION.zip" "$zip"
