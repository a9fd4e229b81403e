#!/bin/sh
# Lets the standby copy the primary and follow it. Run by the image when the database is made.
set -eu
echo 'host replication all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
