#!/bin/sh
# A simulator that behaves as its first argument says; the second is a number it uses. Its right answer is
# latency_ms = 1000 / number.
number=${2-10}
answer=$((1000 / number))
right="{\"latency_ms\": $answer, \"energy_mj\": 2.5}"
case $1 in
  good) echo "$right" ;;
  talkative) printf 'loading\n%s\n' "$right" ;;
  nonzero) echo "$right"; exit 7 ;;
  crash) echo "at layer 3"; echo "bad pointer" >&2; kill -SEGV $$ ;;
  divides) kill -FPE $$ ;;
  hang) echo "waiting for a licence"; exec sleep 1000 ;;
  hang_group) sleep 1000 & wait ;;
  stubborn) trap '' TERM; while :; do sleep 1000; done ;;
  error_exit_0) echo "ERROR: topology file not found"; echo Exiting ;;
  half) printf '{"latency_ms": 12' ;;
  empty) ;;
  empty_file) : > result.csv ;;
  half_file) printf 'layer,cycles,\n1,100,\n2,2' > result.csv ;;
  file) printf ' layer , cycles,\n1, 100,\n2, 250,\n3, 50,\n' > result.csv; echo "wrote it" ;;
  short_file) printf 'layer,cycles,\n1,100,\n' > result.csv ;;
  nan) echo '{"latency_ms": "nan", "energy_mj": 2.5}' ;;
  null) echo '{"latency_ms": null, "energy_mj": 2.5}' ;;
  lacks) echo '{"energy_mj": 2.5}' ;;
  log) yes "a line of a log that never ends" ;;
  forks) (sleep 1000) & echo "$right" ;;
  warns) echo "[WARNING:Buffer] Per-layer L1 size requirement [294] is larger than the given L1 size [100]"
         echo "$right" ;;
  warns_and_crashes) echo "[WARNING:Buffer] Per-layer L1 size"; kill -FPE $$ ;;
  twice) printf 'cycles: 100\ncycles: 300\n' ;;
  units) echo '{"latency_ms": "250 us", "energy_mj": 2.5e3}' ;;
  binary) printf '\377\000\001{"latency_ms"' ;;
  flaky) # fails until it has been run twice in the folder $3
    echo run >> "$3/runs"
    if [ "$(wc -l < "$3/runs")" -ge 3 ]; then echo '{"latency_ms": 5, "energy_mj": 1}'; else echo "no licence" >&2; exit 1; fi ;;
  echo_input) cat > input.copy; cat input.copy ;;
  *) echo "unknown behaviour $1" >&2; exit 2 ;;
esac
