#!/usr/bin/env bash
# Time and memory of verify, extract and merge against the number of blocks. benches/README.md says more.
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/tools/common.sh

usage='usage: benches/growth.sh [OPTION]…

  --max N          blocks of the largest archive [10000000]
  --runs N         runs of each, the warm-up not counted [3]
  --limit SECONDS  a run that takes longer is an error [600]
  --results DIR    where growth.json and growth.svg go [benches; target/bench with another --max]'

max=10000000 runs=3 limit=600 results=''
while [ $# -gt 0 ]; do
  case $1 in
  --help | -h) printf '%s\n' "$usage" && exit ;;
  --max) max=${2:?} ;;
  --runs) runs=${2:?} ;;
  --limit) limit=${2:?} ;;
  --results) results=${2:?} ;;
  *) die "$1: not understood"$'\n'"$usage" ;;
  esac
  shift 2
done
if [ -z "$results" ]; then
  if [ "$max" = 10000000 ]; then results=benches; else results=$bench/growth-$max; fi
fi

# series NAME BLOCKS [MEASURE'S OPTIONS] -- WORDS…
series() {
  local name=$1 blocks=$2
  shift 2
  measure alone --results "$results/growth.json" --commit "$commit" --out "$out" --limit "$limit" --runs "$runs" \
    --series "$name" --blocks "$blocks" "$@"
}

build
made=$bench/data-growth
trap 'rm -rf "$out" "$made"' EXIT
rm -f "$results/growth.json"
for ((blocks = 1000; blocks <= max; blocks *= 10)); do
  whole=$made/whole.car first=$made/first.car second=$made/second.car
  make_archive "$whole" --kind raw-100 --blocks "$blocks" --seed 1
  series verify "$blocks" -- "$cartool" -q verify "$whole"
  series extract "$blocks" -- "$cartool" -q extract "$whole" -o '{out}/files'
  rm "$whole"
  # Together as many blocks, of which the second's shared ones are left out.
  make_archive "$first" --kind raw-100 --blocks $((blocks / 2)) --seed 1 --shared 30
  make_archive "$second" --kind raw-100 --blocks $((blocks / 2)) --seed 2 --shared 30
  series merge "$blocks" -- "$cartool" -q merge "$first" "$second" -o '{out}/new.car'
  rm "$first" "$second"
done
printf '\n'
python3 benches/tools/draw.py growth "$results/growth.json" "$results/growth.svg"
