#!/bin/sh
# Resolves the digest of the base image and writes deploy/base-image (IMAGE@sha256:…). Uses skopeo, crane or docker,
# whichever is there. Without a registry it says so and exits 3: nothing is made up and no old pin is touched.
set -eu
image=${1:-docker.io/library/python:3.11-slim}
here=$(dirname "$0")
digest=""
if command -v skopeo >/dev/null 2>&1; then
    digest=$(skopeo inspect --format '{{.Digest}}' "docker://$image" 2>/dev/null || true)
elif command -v crane >/dev/null 2>&1; then
    digest=$(crane digest "$image" 2>/dev/null || true)
elif command -v docker >/dev/null 2>&1; then
    digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}' 2>/dev/null || true)
else
    echo "not pinned: none of skopeo, crane and docker is installed" >&2
    exit 3
fi
case $digest in
sha256:????????????????????????????????????????????????????????????????) ;;
*)
    echo "not pinned: no registry answered for $image" >&2
    exit 3
    ;;
esac
echo "${image%%:*}@$digest" >"$here/base-image"
cat "$here/base-image"
