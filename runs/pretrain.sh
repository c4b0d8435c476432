#!/usr/bin/env bash
# Pretrains the encoder of the shipped bundle: `runs/pretrain.sh cpu` (130 minutes on one core with bf16 units) or
# `runs/pretrain.sh gpu-6x384` (legs of under ten minutes, 20 minutes in all).
# Needs the corpora in ../shared/data/corpus; the encoder comes to build/pretrain/*/encoder.
set -euo pipefail
cd "$(dirname "$0")/.."
configs=training/configs/pretrain

# Large blocks stay mapped and in huge pages, instead of being returned and zeroed anew in every step.
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1

case ${1:-cpu} in
    gpu-*) for _ in 1 2 3; do qawl pretrain "$configs-$1.toml"; done ;;
    *) qawl pretrain "$configs-$1.toml" ;;
esac
