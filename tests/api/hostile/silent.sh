#!/bin/sh
# Stands in for a child of the host: reads its input and never answers.
while read -r _; do :; done
exec /bin/sleep 120
