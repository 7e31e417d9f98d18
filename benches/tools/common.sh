# What compare.sh and growth.sh share: builds, generated input, words of warning. Sourced from the root of the project.

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
cartool=$target/release/cartool
bench=$target/bench
out=$bench/out
export BENCH_LAST_REMOVAL=$bench/last-removal

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 2
}

# A peer that is not measured must not look like one that never was meant to be.
loud() {
  printf '\n!!! %s\n\n' "$*" >&2
}

build() {
  mkdir -p "$bench"
  cargo build --quiet --release --locked --bin cartool --example generate-car
  commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
  if [ -n "$(git status --porcelain --untracked-files=no 2>/dev/null)" ]; then commit+=-changed; fi
  command -v time >/dev/null || loud 'there is no program "time": memory is not measured (Debian: apt install time)'
  "$cartool" --version
}

measure() {
  python3 benches/tools/measure.py "$@"
}

# make_archive FILE WORDS…: an archive, unless it is there already, whole.
make_archive() {
  local file=$1
  shift
  if [ -e "$file" ]; then return; fi
  mkdir -p "${file%/*}" && "$target/release/examples/generate-car" "$@" -o "$file.part" >/dev/null && mv "$file.part" "$file"
}
