#!/usr/bin/env bash
# Makes the shipped bundle from ../shared/data: `runs/compact.sh` (about five hours on two cores with bf16 units),
# or `runs/compact.sh gpu-6x384` where there is a GPU (edit encoder.path of compact.toml to the encoder it prints).
set -euo pipefail
cd "$(dirname "$0")/.."
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1
runs/pretrain.sh "${1:-cpu}"
qawl train training/configs/compact.toml
qawl evaluate models/compact ../shared/data/gold/dev.jsonl --baselines
