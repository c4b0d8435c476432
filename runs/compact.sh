#!/usr/bin/env bash
# Makes the shipped bundle from ../shared/data and the project's own history: `runs/compact.sh` (about 40 minutes on a
# core with bf16 units). Version 0.1.0, which it goes on from, was pretrained and fine-tuned by this script as it stood
# in commit 3495814 (training/LOG.md tells how). Where there is a GPU: `runs/pretrain.sh gpu-6x384`, name the encoder
# it makes as encoder.path in compact.toml, `qawl train training/configs/compact.toml`.
set -euo pipefail
cd "$(dirname "$0")/.."
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1
mkdir -p build/compact-0.1.0
git archive 3495814 models/compact | tar -x -C build/compact-0.1.0 --strip-components=2
qawl train training/configs/compact.toml
qawl evaluate models/compact ../shared/data/gold/dev.jsonl --baselines
