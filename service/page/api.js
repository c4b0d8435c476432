/** The service: JSON in, JSON out, every failure an `ApiError` with a code of the error envelope. */

const BASE = new URL("../", import.meta.url);

/** Kept in memory only: gone with the tab. */
let key = "";

export const setKey = (value) => {
  key = value;
};
export const hasKey = () => key !== "";

/** Where the service is, without a trailing slash, as the user would type it. */
export const origin = () => BASE.href.replace(/\/$/, "");

/** The page's own file, as text. */
export const pageFile = async (name) => (await fetch(new URL(name, import.meta.url))).text();

export class ApiError extends Error {
  /** `code` of the envelope, or `network` / `cancelled` / `unexpected` where there was none. */
  constructor(code, { message = "", details = [], requestId = "", retryAfter = null, status = 0 } = {}) {
    super(message || code);
    Object.assign(this, { code, details, requestId, retryAfter, status });
  }
}

async function call(path, options = {}) {
  const headers = { accept: "application/json", ...options.headers };
  if (key) headers.authorization = `Bearer ${key}`;
  let reply;
  try {
    reply = await fetch(new URL(path, BASE), { ...options, headers, cache: "no-store", credentials: "same-origin" });
  } catch (error) {
    throw new ApiError(error.name === "AbortError" ? "cancelled" : "network");
  }
  let body;
  try {
    body = await reply.json();
  } catch (error) {
    if (error.name === "AbortError") throw new ApiError("cancelled");
  }
  if (reply.ok && body !== undefined) return body;
  const { code, message, details, request_id } = body?.error ?? {};
  throw new ApiError(code ?? "unexpected", {
    message,
    details: details ?? [],
    requestId: request_id ?? reply.headers.get("x-request-id") ?? "",
    retryAfter: seconds(reply.headers.get("retry-after")),
    status: reply.status,
  });
}

function seconds(header) {
  const value = Number.parseFloat(header ?? "");
  return Number.isFinite(value) ? Math.ceil(value) : null;
}

export const getLabels = () => call("v1/labels");
export const getModel = () => call("v1/model");

/** `POST /v1/tag`; `signal` cancels it. */
export const tag = (request, signal) =>
  call("v1/tag", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request),
    signal,
  });
