/** Failures, told kindly: what happened, what to do, and the service's own words for whoever wants them. */

import { byId, fill, h, icon } from "./dom.js";
import { has, t } from "./i18n.js";

const WORTH_RETRYING = new Set(["network", "queue_full", "not_ready", "deadline", "internal", "unexpected"]);

export function clearAlert() {
  byId("alerts").replaceChildren();
}

/** A plain remark without a failed call behind it. */
export function remark(words) {
  draw([h("p", {}, words)], []);
}

/** Shows an `ApiError`. `retry` repeats what failed. */
export function showError(error, retry) {
  const key = has(`error_${error.code}`) ? `error_${error.code}` : "error_unexpected";
  const details = error.details.map(({ field, message }) =>
    h("li", {}, field ? h("code", { dir: "ltr" }, field) : null, field ? " " : null, message),
  );
  const inside = [
    h("p", {}, t(key, { status: String(error.status) })),
    details.length ? h("ul", { lang: "en", dir: "ltr" }, details) : null,
    !details.length && error.code === "invalid" ? h("p", { lang: "en", dir: "ltr" }, error.message) : null,
    error.retryAfter === null ? null : h("p", {}, t("retryIn", { n: error.retryAfter })),
    error.requestId ? h("p", { class: "quiet small" }, t("requestId", { id: error.requestId })) : null,
  ];
  draw(
    inside,
    retry && WORTH_RETRYING.has(error.code)
      ? [h("button", { type: "button", id: "retry", onclick: retry }, t("retry"))]
      : [],
  );
}

function draw(inside, buttons) {
  fill(
    byId("alerts"),
    h(
      "div",
      { class: "alert", role: "alert" },
      icon("warn"),
      h("div", { class: "alert-words" }, inside),
      h(
        "div",
        { class: "row" },
        buttons,
        h("button", { type: "button", id: "dismiss", onclick: clearAlert }, t("dismiss")),
      ),
    ),
  );
  byId("alerts").scrollIntoView({ block: "nearest" });
}
