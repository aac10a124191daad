#!/bin/sh
# Compiles the two QuickFIX peers into tests/interop/build/, each only when a source of it is newer.
# C++14: QuickFIX 1.15 headers use throw() lists, which C++17 removed.
set -eu
cd "$(dirname "$0")"
mkdir -p ../build

for peer in acceptor initiator; do
  program=../build/quickfix-$peer
  if [ -n "$(find "$program" -newer "$peer.cpp" -newer peer.h -newer build.sh 2>/dev/null)" ]; then
    continue
  fi
  # To a name of its own first: an interrupted compiler must not leave a program that looks finished.
  ${CXX:-g++} -std=c++14 -O1 -Wall -Wextra -Wno-deprecated -o "$program.$$" "$peer.cpp" -lquickfix
  mv "$program.$$" "$program"
  echo "interop: compiled $peer"
done
