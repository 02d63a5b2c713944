#!/bin/sh
# Installs Airflow, or brings it up to date: `airflow/install.sh prod`. Namespace and rights come with the platform
# (flink-k8s/platform/install.sh), the secret and the image as docs/operations/airflow.md says.
set -eu
cd "$(dirname "$0")"

CHART=1.22.0 # the newest, of June 2026; its own default is Airflow 3.2.2
ENVIRONMENT=${1:?dev or prod}

# Not with --wait: the pods wait for the tables, and Helm makes those in a hook that it would run after the wait.
helm upgrade --install airflow airflow --version "$CHART" --repo https://airflow.apache.org --namespace airflow \
    --values values.yaml --values "values-$ENVIRONMENT.yaml" --timeout 15m
for part in deployment/airflow-api-server deployment/airflow-dag-processor deployment/airflow-triggerer \
    statefulset/airflow-scheduler; do
    kubectl --namespace airflow rollout status "$part" --timeout 10m
done
