/** The API call that gave the result, as a person would repeat it. */

import { fill, h } from "./dom.js";
import { hasKey, origin } from "./api.js";
import { t } from "./i18n.js";

/** A value as a Python literal; JSON's strings are valid Python strings. */
function python(value, indent = "") {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map((item) => python(item, indent)).join(", ")}]`;
  if (typeof value === "object") {
    const inner = `${indent}    `;
    const items = Object.entries(value).map(
      ([name, item]) => `${inner}${JSON.stringify(name)}: ${python(item, inner)},\n`,
    );
    return `{\n${items.join("")}${indent}}`;
  }
  return JSON.stringify(value);
}

/** A shell command; the key comes from the environment, it is never written out. */
export function curlCall(request, base = origin(), key = hasKey()) {
  const auth = key ? ` \\\n  --header "authorization: Bearer $QAWL_KEY"` : "";
  return `curl --silent --show-error ${base}/v1/tag \\
  --header 'content-type: application/json'${auth} \\
  --data-binary @- <<'JSON'
${JSON.stringify(request, null, 1)}
JSON`;
}

/** A Python program that needs httpx only. */
export function pythonCall(request, base = origin(), key = hasKey()) {
  const auth = key ? `, headers={"authorization": f"Bearer {os.environ['QAWL_KEY']}"}` : "";
  return `${key ? "import os\n\n" : ""}import httpx

request = ${python(request)}
reply = httpx.post("${base}/v1/tag", json=request${auth}, timeout=60)
reply.raise_for_status()
for sentence in reply.json()["sentences"]:
    print(sentence["primary"], sentence["voice"]["label"], sentence["text"], sep="\\t")`;
}

/** Fills the dialog. `onCopied(ok)` tells how copying went. */
export function drawCall(root, request, dialogHead, onCopied) {
  const block = (name, text, label) => {
    const code = h("pre", { dir: "ltr", tabindex: "0", id: `call-${name}`, "aria-label": name }, text);
    const copy = h(
      "button",
      { type: "button", "aria-label": label, onclick: () => copyText(code, onCopied) },
      t("copy"),
    );
    return h("section", {}, h("div", { class: "label-row" }, h("h3", { dir: "ltr" }, name), copy), code);
  };
  fill(
    root,
    dialogHead(root, "call-title", t("callTitle")),
    h("p", {}, t("callIntro")),
    hasKey() ? h("p", {}, t("callKey")) : h("span", { hidden: true }),
    block("curl", curlCall(request), t("copyCurl")),
    block("Python", pythonCall(request), t("copyPython")),
  );
}

/** Copies; where the browser forbids it (no https), selects the text for the user to copy. */
async function copyText(element, onCopied) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    onCopied(true);
  } catch {
    window.getSelection().selectAllChildren(element);
    onCopied(false);
  }
}
