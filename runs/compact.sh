#!/usr/bin/env bash
# Makes the shipped bundle from ../shared/data and the project's own history: `runs/compact.sh` (two hours on two cores
# with bf16 products, a process on each). Version 0.3.0, which it goes on from, was made by this script as it stood in
# commit f17e851 (training/LOG.md tells how). Where there is a GPU: `runs/pretrain.sh gpu-6x384`, name the encoder it
# makes as encoder.path in compact.toml, with average = false, and `qawl train training/configs/compact.toml`.
set -euo pipefail
cd "$(dirname "$0")/.."
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
export GLIBC_TUNABLES=glibc.malloc.hugetlb=1 OMP_NUM_THREADS=1
mkdir -p build/compact-0.3.0
git archive f17e851 models/compact | tar -x -C build/compact-0.3.0 --strip-components=2
torchrun --nproc-per-node 2 --standalone qawl.py train training/configs/compact-first.toml
qawl train training/configs/compact.toml --seed 13 &
qawl train training/configs/compact.toml --seed 14
wait $!
qawl train training/configs/compact.toml --resume
qawl evaluate models/compact ../shared/data/gold/dev.jsonl --baselines
