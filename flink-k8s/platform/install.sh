#!/bin/sh
# Installs what the job stands on; to be run again when a version here has changed. Each version was found in its
# project's repository, and the manifests were written for it.
set -eu
cd "$(dirname "$0")"

OPERATOR=1.15.0         # the first that knows Flink 2.3
EXTERNAL_SECRETS=2.9.0
MILVUS=4.2.58           # the last with a server of 2.5 (2.5.16), which is what pymilvus 2.5.18 speaks to

kubectl apply --kustomize .

# Helm installs a chart's CRDs and never upgrades them. The operator knows Flink 2.3, and the CRD of its chart ends at 2.2.
charts=https://archive.apache.org/dist/flink/flink-kubernetes-operator-$OPERATOR/
crd=flinkdeployments.flink.apache.org
helm show crds flink-kubernetes-operator --version "$OPERATOR" --repo "$charts" |
    kubectl apply --server-side --force-conflicts --filename -
kubectl get crd "$crd" --output yaml | grep --quiet v2_3 ||
    kubectl patch crd "$crd" --type json --patch-file crd-flink-2.3.json
helm upgrade --install flink-kubernetes-operator flink-kubernetes-operator --version "$OPERATOR" --repo "$charts" \
    --namespace flink-operator --values flink-operator.yaml --wait

helm upgrade --install external-secrets external-secrets --version "$EXTERNAL_SECRETS" \
    --repo https://charts.external-secrets.io --namespace external-secrets --values external-secrets.yaml --wait

helm upgrade --install milvus milvus --version "$MILVUS" \
    --repo https://zilliztech.github.io/milvus-helm --namespace milvus --values milvus.yaml --wait --timeout 10m
