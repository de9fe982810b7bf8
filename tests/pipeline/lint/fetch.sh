#!/usr/bin/env bash
# Brings the jars of Nextflow's strict parser into $1, by Maven and once; they must be those of jars.sha256.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
whole() { (cd "$1" && sha256sum --check --quiet "$here/jars.sha256") >/dev/null 2>&1; }
! whole "$1" || exit 0
mkdir -p "$(dirname "$1")"
fresh=$(mktemp -d "$(dirname "$1")/fetch.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$fresh" >&2
whole "$fresh" || { echo "the fetched jars are not those of $here/jars.sha256" >&2; exit 2; }
chmod 755 "$fresh"
rm -rf "$1"
mv "$fresh" "$1"
