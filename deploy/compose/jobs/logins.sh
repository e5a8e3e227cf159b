#!/usr/bin/env bash
# Makes the database users that the services log in as, or gives them the password that their secrets hold now.
set -euo pipefail
PGPASSWORD=$(</run/secrets/owner/password)
export PGPASSWORD
exec psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --file /jobs/logins.sql
