#!/usr/bin/env bash
# Makes the cluster's own authority and a certificate for each node, once; later starts find them.
set -euo pipefail
cd /certificates
if [ ! -s ca/ca.crt ]; then
  /usr/share/elasticsearch/bin/elasticsearch-certutil ca --silent --pem --days 3650 --out ca.zip
  unzip -qo ca.zip && rm ca.zip
fi
if [ ! -s es1/es1.crt ]; then
  {
    echo "instances:"
    for node in es1 es2 es3; do
      printf '  - name: %s\n    dns: [%s, localhost]\n    ip: [127.0.0.1]\n' "$node" "$node"
    done
  } > instances.yml
  /usr/share/elasticsearch/bin/elasticsearch-certutil cert --silent --pem --days 3650 --in instances.yml \
    --ca-cert ca/ca.crt --ca-key ca/ca.key --out nodes.zip
  unzip -qo nodes.zip && rm nodes.zip instances.yml
fi
# Nodes run as user 1000 of group 0. The authority's key is for this script alone; its certificate is for everybody.
chown -R 1000:0 es1 es2 es3
chmod 0755 . ca && chmod 0644 ca/ca.crt && chmod 0600 ca/ca.key
chmod 0750 es1 es2 es3 && chmod 0640 es?/es?.key es?/es?.crt
chown 1000:0 /backups
