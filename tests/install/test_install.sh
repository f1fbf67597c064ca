#!/usr/bin/env bash
# Installs a build, moves the installation elsewhere, and builds and runs programs against it.
# usage: test_install.sh BUILD_FOLDER WITH_TORCH(ON|OFF) CXX
set -euo pipefail

build=$1 with_torch=$2 cxx=$3
here=$(cd "$(dirname "$0")" && pwd)
source_tree=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
expect() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }

cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix"
prefix=$work/prefix

if grep -rlF -e "$source_tree" -e "$build" "$prefix/lib/cmake" "$prefix"/lib/*/cmake 2>/dev/null; then
  fail "the package names the folders it was built in"
fi

# configure NAME SOURCE COMPONENTS [cmake arguments...]
configure() {
  local name=$1 source=$2 components=$3
  shift 3
  cmake -G Ninja -S "$here/consumer" -B "$work/$name" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$cxx" \
    -DSOURCE="$source" -DCOMPONENTS="$components" "$@" >"$work/$name.log" 2>&1
}
# output_of NAME: what the consumer prints
output_of() {
  cmake --build "$work/$1" >>"$work/$1.log" 2>&1 || { cat "$work/$1.log" >&2; fail "$1 does not build"; }
  (cd "$work" && "$work/$1/consumer")
}

configure search search.cpp "search;scorer" -DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON ||
  { cat "$work/search.log"; fail "a consumer of the scorer cannot be configured without LibTorch"; }
expect "the search's output" "$(printf 'pes=8 dataflow=ws\nnot_found')" "$(output_of search)"

if configure unknown search.cpp "cellar"; then fail "an unknown component is accepted"; fi
grep -q "corbel has no floor cellar" "$work/unknown.log" || { cat "$work/unknown.log"; fail "no word on the cellar"; }

if [ "$with_torch" = ON ]; then
  configure train train.cpp "surrogate" || { cat "$work/train.log"; fail "a consumer of the learner is not configured"; }
  expect "the learner's output" "too_little_data" "$(output_of train)"
  if configure torchless train.cpp "surrogate" -DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON; then
    fail "the learner is found without LibTorch"
  fi
  grep -q "corbel::surrogate needs LibTorch" "$work/torchless.log" ||
    { cat "$work/torchless.log"; fail "no word on the missing LibTorch"; }
fi

# A workload that only the installed zoo has, asked for from another folder.
cp "$prefix/share/corbel/zoo/mobilenet_v2.yaml" "$prefix/share/corbel/zoo/only_installed.yaml"
description=$(cd "$work" && "$prefix/bin/corbel" describe workload only_installed --format json)
grep -q '"total_macs"' <<<"$description" || fail "the installed program does not see its zoo: $description"
