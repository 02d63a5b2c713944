#!/bin/sh
# `cali …` runs the command at once: Flink's script would first start two JVMs to rewrite a configuration that the
# command does not read. Everything else is Flink's. Its native mode on Kubernetes names that script itself and passes
# this one by, so nothing may be set here that the job needs.
set -eu
if [ "${1-}" = cali ]; then
    exec "$@"
fi
exec /docker-entrypoint.sh "$@"
