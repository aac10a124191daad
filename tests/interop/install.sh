#!/bin/sh
# Installs the engines and the dissector that pinfix is tested against, and compiles our peers.
#
#   QuickFIX (Debian libquickfix-dev)   required: without it this script fails
#   tshark   (Debian)                   optional: reported when missing
#   tinyproxy, microsocks, haproxy (Debian)   optional: reported when missing
#   jspurefix (npm, pinned by package-lock.json)   optional: reported when missing
#   sbe (PyPI, pinned here)             required by tests/sbe: without it this script fails
#
# Does nothing but look when everything is there. Needs root only to install Debian packages. Exit
# code 0: the QuickFIX peers are ready to run. What each peer is and how it is driven: PEERS.md.
set -u
cd "$(dirname "$0")"

say() { echo "interop: $*"; }

has_package() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_debian() {
  missing=
  for package in g++ libquickfix-dev tshark tinyproxy-bin microsocks haproxy; do
    has_package "$package" || missing="$missing $package"
  done
  [ -z "$missing" ] && return
  say "installing Debian packages:$missing"
  apt-get update -qq || say "apt-get update failed, going on with the package lists there are"
  # One by one, so that one that cannot be had does not take the others with it. wireshark-common asks
  # who may capture; noninteractive takes its default, root only.
  for package in $missing; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null \
      || say "could not install $package"
  done
}

install_jspurefix() {
  command -v npm >/dev/null || return
  # Copied last, so it tells that an install was finished, and for which lock file.
  cmp -s package-lock.json node_modules/.installed-lock && return
  say "installing jspurefix from package-lock.json"
  # Without scripts: jspurefix would unpack dictionaries we do not use, and nothing may download more.
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null \
    && cp package-lock.json node_modules/.installed-lock \
    || say "could not install jspurefix"
}

# Where tests/sbe looks for it if Python does not find it anywhere else.
SBE_DIRECTORY=python

has_sbe() { PYTHONPATH="$SBE_DIRECTORY" python3 -c 'import sbe' 2>/dev/null; }

install_sbe() {
  has_sbe && return
  say "installing the Python package sbe"
  python3 -m pip --version >/dev/null 2>&1 \
    || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-pip >/dev/null \
    || say "could not install python3-pip"
  python3 -m pip install --quiet --disable-pip-version-check --target "$SBE_DIRECTORY" sbe==0.4.3 \
    || say "could not install the Python package sbe"
}

report() {
  quickfix=missing
  if has_package libquickfix-dev && quickfix/build.sh; then quickfix=ready; fi
  tshark=missing
  command -v tshark >/dev/null && tshark=ready
  jspurefix=missing
  command -v node >/dev/null && cmp -s package-lock.json node_modules/.installed-lock && jspurefix=ready

  say "quickfix $quickfix"
  say "tshark $tshark"
  proxies=missing
  has_package tinyproxy-bin && has_package microsocks && has_package haproxy && proxies=ready
  say "proxies $proxies"
  sbe=missing
  has_sbe && sbe=ready
  say "jspurefix $jspurefix"
  say "sbe $sbe"
  [ "$quickfix" = ready ] && [ "$sbe" = ready ]
}

install_debian
install_jspurefix
install_sbe
report
