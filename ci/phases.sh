# shellcheck shell=bash
# Sourced by the scripts beside it: phases with a heading and a time, and how presets are built.
jobs=$(nproc)
phase_times=()

# phase NAME COMMAND...: a heading, the command, and how long it took.
phase() {
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  "$@"
  phase_times+=("$(printf '%-24s %4d s' "$name" $((SECONDS - start)))")
  echo "== $name: $((SECONDS - start)) s"
}

phase_table() {
  printf '== %s\n' "${phase_times[@]}" "$(printf '%-24s %4d s' "all" "$SECONDS")"
}

# configure PRESET [ARGUMENT...]; CMake's chatter is shown only when it fails.
configure() {
  local log
  log=$(mktemp)
  if ! cmake --preset "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  grep '^-- Ashlar:' "$log" || true
  rm -f "$log"
}

# build PRESET [ARGUMENT...]
build() {
  cmake --build --preset "$1" --parallel "$jobs" "${@:2}"
}
