#!/usr/bin/env bash
# cartool beside what one would use today: whole commands, in pairs, on generated archives. benches/README.md says what is compared.
set -euo pipefail
cd "$(dirname "$0")/.."
source benches/tools/common.sh

usage='usage: benches/compare.sh [OPTION]…

  --scale F        input F times as large [1]; results of another scale than 1 go to target/bench, not to benches
  --only A,B,…     jobs, or JOB/PEER; patterns such as verify-* are understood [all]
  --list           print the jobs and their peers
  --pairs N        pairs of runs, the warm-up not counted [7]
  --budget SECONDS no pair is begun after so many seconds with one peer [180]
  --limit SECONDS  a run that takes longer is stopped and left out [600]
  --data DIR       use raw.car, pb.car and tiny.car of this folder in place of generated ones, where they are there
  --results DIR    where results.json and chart.svg go
  --by cpu         draw CPU time, for a machine that was busy [wall]
  --draw           only draw and print what was measured
  --clean          remove the generated input at the end

Results are kept job by job: with the same words and --only the rest can be measured another day.'

scale=1 only='*' pairs=7 budget=180 limit=600 data='' results='' by=wall mode=run clean=no
while [ $# -gt 0 ]; do
  case $1 in
  --list | --draw | --clean) ;;
  --help | -h) printf '%s\n' "$usage" && exit ;;
  *) [ $# -gt 1 ] || die "$1: not understood, or its value is missing"$'\n'"$usage" ;;
  esac
  case $1 in
  --scale) scale=$2 ;;
  --only) only=$2 ;;
  --pairs) pairs=$2 ;;
  --budget) budget=$2 ;;
  --limit) limit=$2 ;;
  --data) data=$(realpath "$2") ;;
  --results) results=$2 ;;
  --by) by=$2 ;;
  --list) mode=list && shift && continue ;;
  --draw) mode=draw && shift && continue ;;
  --clean) clean=yes && shift && continue ;;
  *) die "$1: not understood"$'\n'"$usage" ;;
  esac
  shift 2
done
if [ -z "$results" ]; then
  if [ "$scale" = 1 ]; then results=benches; else results=$bench/scale-$scale; fi
fi
[[ $scale =~ ^[0-9]*\.?[0-9]+$ ]] || die "--scale $scale: not a number"
case $by in wall | cpu) ;; *) die "--by $by: wall or cpu" ;; esac
# What is made of given archives is not mixed up with what is made of generated ones.
made=$bench/data-$scale${data:+-given}

# A count times the scale, at least one.
scaled() {
  awk -v count="$1" -v scale="$scale" 'BEGIN { n = int(count * scale + 0.5); print n < 1 ? 1 : n }'
}

# --- Input, made when a job asks for it ---

thousands() {
  sed -E ':again; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; t again' <<<"$1"
}
mebibytes() {
  numfmt --to=iec-i --round=nearest $(($1 << 20)) | sed -E 's/(\.0)?([KMG]i)$/ \2B/'
}

# How much is in the archive of that name, in words.
content() {
  if [ -n "$data" ] && [ -e "$data/$1.car" ]; then
    printf '%s in blocks' "$(mebibytes $(($(stat -c %s "$data/$1.car") >> 20)))"
  elif [ "$1" = tiny ]; then
    printf '%s blocks' "$(thousands "$(scaled 5000000)")"
  else
    printf '%s in blocks' "$(mebibytes "$(scaled 4096)")"
  fi
}

# The archive of that name, in $file.
archive() {
  local words
  case $1 in
  raw) words=(--kind raw-1m --bytes "$(scaled 4096)MiB") ;;
  pb) words=(--kind pb-256k --bytes "$(scaled 4096)MiB") ;;
  tiny) words=(--kind tiny --blocks "$(scaled 5000000)") ;;
  esac
  file=$made/$1.car
  if [ -n "$data" ] && [ -e "$data/$1.car" ]; then file=$data/$1.car; fi
  make_archive "$file" "${words[@]}" --seed 1
}

# The file that is in an archive of one, in $plain.
plain() {
  archive "$1" || return
  plain=$made/$1.bin
  if [ ! -e "$plain" ]; then mkdir -p "$made" && "$cartool" -q cat "$file" >"$plain.part" && mv "$plain.part" "$plain"; fi
}

# A folder of many files in $tree, and an archive of it in $file.
many_files() {
  files=$(scaled 100000) tree=$made/tree file=$made/small.car
  if [ ! -e "$file" ]; then
    rm -rf "$tree" && measure tree "$tree" "$files" 4096 && "$cartool" -q create --force "$tree" -o "$file" >/dev/null
  fi
}

# A hundred archives with 30 % of their leaves in common, in $archives.
hundred() {
  local number words
  case $1 in
  pb) words=(--kind pb-256k --bytes "$(scaled 32768)KiB") ;;
  tiny) words=(--kind tiny --blocks "$(scaled 50000)") ;;
  esac
  archives=()
  for number in $(seq 100); do
    archives+=("$made/hundred-$1/$number.car")
    make_archive "${archives[-1]}" "${words[@]}" --shared 30 --seed "$number" || return
  done
}

# --- Peers ---

declare -A version
find_peers() {
  local peers=$target/peers
  readers=$bench/peers/rust/release/readers gocar=$bench/peers/gocar
  ipfs=$peers/bin/ipfs ipfs_car=$peers/node_modules/.bin/ipfs-car
  version[cat]=$(cat --version | head -1) version[cp]=${version[cat]/cat/cp}
  if command -v openssl >/dev/null; then version[openssl]=$(openssl version | cut -d" " -f1,2); else loud 'there is no openssl: left out'; fi
  if cargo build --quiet --release --locked --manifest-path benches/peers/rust/Cargo.toml --target-dir "$bench/peers/rust"; then
    local reader
    for reader in iroh-car rs-car fvm_ipld_car; do
      version[$reader]=$(grep -A1 "^name = \"$reader\"" benches/peers/rust/Cargo.lock | sed -n 's/^version = "\(.*\)"/\1/p')
    done
  else
    loud 'the readers in Rust could not be built: iroh-car, rs-car and fvm_ipld_car are left out'
  fi
  if (cd benches/peers/go && go build -mod=readonly -trimpath -o "$gocar" .); then
    version[go-car]=$(sed -n 's:.*go-car/v2 v::p' benches/peers/go/go.mod)
  else
    loud 'the program over go-car could not be built (is Go installed?): go-car is left out'
  fi
  if [ -x "$ipfs" ]; then version[ipfs]=$("$ipfs" version -n); else loud "no $ipfs: Kubo is left out. tests/peers/install gets it"; fi
  if [ -x "$ipfs_car" ]; then
    version[ipfs-car]=$(sed -n 's/.*"version": "\(.*\)".*/\1/p' "$peers/node_modules/ipfs-car/package.json")
  else
    loud "no $ipfs_car: ipfs-car is left out. tests/peers/install gets it"
  fi
}

# --- Jobs ---

chosen=0
selected() {
  local pattern patterns
  IFS=, read -ra patterns <<<"$only"
  for pattern in "${patterns[@]}"; do
    # Unquoted: a pattern.
    # shellcheck disable=SC2053
    if [[ $1 == ${pattern%%/*} && ( $# -eq 1 || $pattern != */* || $2 == ${pattern#*/} ) ]]; then return 0; fi
  done
  return 1
}

# job NAME TITLE INPUT…: whether it is to be done. INPUT is a function and its words.
job() {
  job=$1 title=$2
  shift 2
  expect=()
  selected "$job" || return 1
  chosen=$((chosen + 1))
  if [ "$mode" = list ]; then printf '%s: %s\n' "$job" "$title" && set -- true; fi
  if [ "$mode" = run ]; then
    # What the job before wrote.
    measure clear "$out"
    printf '\n%s: %s\n' "$job" "$title"
    # In a condition nothing ends the script by itself.
    "$@" || die "the input of $job could not be made"
  else
    file='' plain='' tree='' files=0 archives=()
  fi
}

# against PEER PROGRAM CHECKS [MEASURE'S OPTIONS] -- WORDS…: $ours beside a command of the peer. PROGRAM is what has a version.
against() {
  local peer=$1 program=$2 checks=$3 options=()
  shift 3
  while [ "$1" != -- ]; do options+=("$1") && shift; done
  shift
  selected "$job" "$peer" || return 0
  if [ "$mode" = list ]; then printf '  %s\n' "$peer" && return; fi
  if [ -z "${version[$program]-}" ]; then
    printf '  %-24s LEFT OUT: not on this machine\n' "$peer"
    return
  fi
  measure pair --results "$results/results.json" --commit "$commit" --scale "$scale" --job "$job" --title "$title" --peer "$peer" \
    --version "${version[$program]}" --checks "$checks" --out "$out/$peer" --pairs "$pairs" --budget "$budget" --limit "$limit" \
    "${expect[@]}" "${options[@]}" -- "${ours[@]}" ::: "$@"
}

# A repository of Kubo for each run. The profile leaves it without network and without syncs to disk.
fresh_repository() {
  printf 'IPFS_PATH="$OUT/repo" %q init --empty-repo --profile=test' "$ipfs"
}
kubo() {
  kubo=(env IPFS_TELEMETRY=off 'IPFS_PATH={out}/repo' "$ipfs" --offline "$@")
}

readers_against() {
  against cat cat no -- cat "$file"
  against openssl openssl 'the file' -- openssl dgst -sha256 "$file"
  local reader
  for reader in iroh-car rs-car fvm_ipld_car; do against $reader $reader yes -- "$readers" $reader "$file"; done
  against go-car go-car yes -- "$gocar" verify "$file"
}

verify_jobs() {
  local kind what
  for kind in raw pb tiny; do
    case $kind in
    raw) what='of 1 MiB' ;;
    pb) what='of 256 KiB' ;;
    tiny) what='of 150 to 400 bytes' ;;
    esac
    if job verify-$kind "verify $(content $kind) $what" archive $kind; then
      ours=("$cartool" -q verify "$file")
      readers_against
      # It reads the archive for its CIDs: every block, and hashes it.
      against ipfs-car ipfs-car yes -- "$ipfs_car" blocks "$file"
      if [ $kind = pb ]; then
        kubo dag import "$file"
        against ipfs-dag-import ipfs yes --many-files --before "$(fresh_repository)" -- "${kubo[@]}"
      fi
    fi
  done
}

extract_jobs() {
  local kind what
  for kind in raw pb; do
    if [ $kind = raw ]; then what='of 1 MiB'; else what='of 256 KiB'; fi
    if job extract-$kind "extract one file, $(content $kind) $what" plain $kind; then
      if [ "$mode" = run ]; then expect=(--expect-files 1 --expect-bytes "$(stat -c %s "$plain")"); fi
      ours=("$cartool" -q extract "$file" -o '{out}/files')
      against cp cp no -- cp "$plain" '{out}/file'
      against go-car go-car no -- "$gocar" extract "$file" '{out}'
      against ipfs-car ipfs-car yes -- "$ipfs_car" unpack "$file" --output '{out}/file'
    fi
  done
  if job extract-small "extract $(thousands "$(scaled 100000)") files of 4 KiB" many_files; then
    expect=(--expect-files "$files" --expect-bytes $((files * 4096)) --many-files)
    ours=("$cartool" -q extract "$file" -o '{out}/files')
    against cp-r cp no -- cp -r "$tree" '{out}/files'
    against go-car go-car no -- "$gocar" extract "$file" '{out}'
    against ipfs-car ipfs-car yes -- "$ipfs_car" unpack "$file" --output '{out}/files'
  fi
}

# The settings of Kubo that are cartool's default profile.
unixfs_2025=(--cid-version=1 --raw-leaves --chunker=size-1048576 --max-file-links=1024)

create_jobs() {
  if job create-large "pack one file, $(content raw) of 1 MiB" plain raw; then
    ours=("$cartool" -q create "$plain" -o '{out}/new.car')
    against cp cp no -- cp "$plain" '{out}/file'
    against cp-synced cp no -- sh -c 'cp "$1" "$2" && sync "$2"' - "$plain" '{out}/file'
    against ipfs-car ipfs-car - -- "$ipfs_car" pack "$plain" --no-wrap --output '{out}/new.car'
  fi
  if job create-small "pack $(thousands "$(scaled 100000)") files of 4 KiB" many_files; then
    ours=("$cartool" -q create "$tree" -o '{out}/new.car')
    against cp-r cp no --many-files -- cp -r "$tree" '{out}/files'
    against ipfs-car ipfs-car - -- "$ipfs_car" pack "$tree" --no-wrap --output '{out}/new.car'
  fi
  if job hash-large "the CID of one file, $(content raw) of 1 MiB" plain raw; then
    ours=("$cartool" -q create --only-hash "$plain")
    against openssl openssl 'the file' -- openssl dgst -sha256 "$plain"
    kubo add -Q --only-hash "${unixfs_2025[@]}" "$plain"
    against ipfs-add ipfs - --same-word --before "$(fresh_repository)" -- "${kubo[@]}"
  fi
  if job hash-small "the CID of $(thousands "$(scaled 100000)") files of 4 KiB" many_files; then
    ours=("$cartool" -q create --only-hash "$tree")
    kubo add -r -Q --only-hash "${unixfs_2025[@]}" "$tree"
    against ipfs-add ipfs - --same-word --before "$(fresh_repository)" -- "${kubo[@]}"
  fi
}

merge_jobs() {
  local kind what
  for kind in pb tiny; do
    if [ $kind = pb ]; then
      what="$(($(scaled 32768) / 256)) blocks of 256 KiB"
    else
      what="$(thousands "$(scaled 50000)") blocks of 150 to 400 bytes"
    fi
    if job merge-$kind "merge 100 archives, each $what, 30 % shared" hundred $kind; then
      ours=("$cartool" -q merge "${archives[@]}" -o '{out}/new.car')
      against cat cat no -- sh -c 'cat "$@" >"$OUT/new.car"' - "${archives[@]}"
      against cat-synced cat no -- sh -c 'cat "$@" >"$OUT/new.car" && sync "$OUT/new.car"' - "${archives[@]}"
      against go-car go-car yes -- "$gocar" concat '{out}/new.car' "${archives[@]}"
      if [ $kind = pb ]; then
        kubo dag import "${archives[@]}"
        against ipfs-dag-import ipfs yes --many-files --before "$(fresh_repository)" -- "${kubo[@]}"
      fi
    fi
  done
}

index_jobs() {
  if job index-tiny "make a CARv2 with index: $(content tiny) of 150 to 400 bytes" archive tiny; then
    ours=("$cartool" -q convert --car-version 2 "$file" -o '{out}/new.car')
    against go-car go-car no -- "$gocar" index "$file" '{out}/new.car'
  fi
}

if [ "$mode" = run ]; then
  build
  find_peers
  trap 'measure clear "$out"' EXIT
elif [ "$mode" = list ]; then
  readers='' gocar='' ipfs='' ipfs_car=''
fi
if [ "$mode" != draw ]; then
  verify_jobs
  extract_jobs
  create_jobs
  merge_jobs
  index_jobs
  [ "$chosen" -gt 0 ] || die "--only $only: no such job (--list names them)"
fi
if [ "$mode" != list ]; then
  [ -e "$results/results.json" ] || die "nothing was measured: no $results/results.json"
  printf '\n'
  python3 benches/tools/draw.py comparison "$results/results.json" "$results/chart.svg" --by "$by"
fi
if [ "$clean" = yes ]; then
  rm -rf "$made"
elif [ "$mode" = run ] && [ -d "$made" ]; then
  printf '\ninput kept for the next run: %s (--clean removes it)\n' "$made"
fi
