#!/bin/sh
# Looks every locked package up in the advisory databases (pip-audit). Exit 0: none known. 1: advisories, listed.
# 3: not checked, because pip-audit or the advisory service cannot be had; never green without an answer.
set -u
lock=${1:-requirements/serve.txt}
python=${PYTHON:-python3}
if ! "$python" -m pip_audit --version >/dev/null 2>&1; then
    echo "not checked: pip-audit is not installed ($python -m pip install pip-audit)" >&2
    exit 3
fi
report=$(mktemp)
trap 'rm -f "$report" "$report.err"' EXIT
"$python" -m pip_audit --require-hashes --disable-pip --progress-spinner off --format json -r "$lock" \
    >"$report" 2>"$report.err"
"$python" - "$report" "$lock" <<'PYTHON'
import json
import sys

try:
    with open(sys.argv[1], encoding="utf-8") as file:
        packages = json.load(file)["dependencies"]
except (ValueError, KeyError):
    sys.exit(3)
skipped = [p["name"] for p in packages if "skip_reason" in p]
found = [(p["name"], p["version"], v["id"], v["fix_versions"]) for p in packages for v in p.get("vulns", ())]
for name, version, advisory, fixes in found:
    print(f"{name} {version}: {advisory}, fixed in {', '.join(fixes) or 'no version yet'}")
if len(skipped) == len(packages):
    sys.exit(3)
if skipped:
    print(f"not checked: {', '.join(skipped)}")
    sys.exit(1 if found else 3)
print(f"{len(packages)} packages of {sys.argv[2]} checked, {len(found)} advisories")
sys.exit(1 if found else 0)
PYTHON
status=$?
if [ $status -eq 3 ]; then
    echo "not checked: no advisory service answered for every package of $lock" >&2
fi
exit $status
