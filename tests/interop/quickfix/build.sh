#!/bin/sh
# Compiles the QuickFIX peers into tests/interop/build/, each only when a source of it is newer. Those that
# speak TLS only if the library can; where it cannot, build/quickfix-without-tls says so.
# C++14: QuickFIX 1.15 headers use throw() lists, which C++17 removed.
set -eu
cd "$(dirname "$0")"
mkdir -p ../build

without_tls=../build/quickfix-without-tls
library=$(${CXX:-g++} -print-file-name=libquickfix.so)
peers="acceptor initiator"
if [ -f /usr/include/quickfix/SSLSocketAcceptor.h ] && grep -q SSLSocketAcceptor "$library"; then
  rm -f "$without_tls"
  peers="$peers acceptor-tls initiator-tls"
else
  touch "$without_tls"
fi

for peer in $peers; do
  case $peer in *-tls) tls="-lssl -lcrypto" ;; *) tls= ;; esac
  program=../build/quickfix-$peer
  if [ -n "$(find "$program" -newer "$peer.cpp" -newer peer.h -newer build.sh 2>/dev/null)" ]; then
    continue
  fi
  # To a name of its own first: an interrupted compiler must not leave a program that looks finished.
  ${CXX:-g++} -std=c++14 -O1 -Wall -Wextra -Wno-deprecated -o "$program.$$" "$peer.cpp" -lquickfix $tls
  mv "$program.$$" "$program"
  echo "interop: compiled $peer"
done
