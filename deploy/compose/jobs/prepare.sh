#!/usr/bin/env bash
# Puts a password into each secret's volume and gives the inbox's volume to its user. Runs at every start: a password that is
# there stays, one in /supplied takes its place. Of root's rights it has CAP_CHOWN alone: it cannot read what it has given away.
set -euo pipefail
umask 077

# PostgreSQL's user owns the file and our services' group reads it; a volume is mounted only where its password is needed.
readonly READERS=999:10001 INBOX=10003:10003

# put FILE: standard input becomes the secret, whole or not at all. Chained, because bash ignores `set -e` below an `if`.
put() {
  rm -f "$1.new" && cat >"$1.new" && chmod 0440 "$1.new" && chown "$READERS" "$1.new" && mv -f "$1.new" "$1"
}

# take NAME FILE: the supplied password becomes the secret; fails when none is supplied.
take() {
  [[ -e /supplied/$1 ]] || return 1
  [[ -s /supplied/$1 ]] || { echo "secrets/$1 is empty: write a password into it or remove it" >&2; exit 78; }
  put "$2" <"/supplied/$1" || { echo "secrets/$1 cannot be taken" >&2; exit 78; }
  echo "$1: the supplied password"
}

for name in owner ingress notifier page; do
  file=/secrets/$name/password
  chmod 0755 "${file%/*}"
  if take "$name" "$file"; then
    :
  elif [[ -e $file ]]; then
    echo "$name: the password that it had"
  else
    head -c 32 /dev/urandom | base64 --wrap=0 | tr -d '=+/' | put "$file"
    echo "$name: a new random password"
  fi
done
take smtp /secrets/notifier/smtp || true
chown "$INBOX" /inbox
