/** The result as files: the reply itself, and a table with one row per sentence. */

/** Saves `content` under `name` through the browser's own download. */
export function save(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  // After the click the download holds the data; a moment's grace for slow disks.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The reply exactly as the service gave it. */
export const toJson = ({ reply }) => `${JSON.stringify(reply, null, 2)}\n`;

const RISKY = /^[=+\-@\t\r]/;

/** A field; a leading = + - @ would be run as a formula by a spreadsheet, so it gets an apostrophe. */
function field(value) {
  let text = value === null || value === undefined ? "" : String(value);
  if (typeof value === "string" && RISKY.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** RFC 4180 with a byte order mark, so that spreadsheets read the Arabic; stances and scores in columns per target. */
export function toCsv({ reply }) {
  const columns = [
    ...["id", "index", "start", "end", "text", "primary", "types", "checkable", "voice", "voice_score"],
    ...reply.targets.flatMap(({ index }) => [
      `target_${index + 1}`,
      `stance_${index + 1}`,
      `stance_${index + 1}_score`,
    ]),
  ];
  const rows = reply.sentences.map((s) => [
    reply.id,
    s.index,
    s.start,
    s.end,
    s.text,
    s.primary,
    s.types.map((type) => type.label).join(" "),
    s.checkable,
    s.voice.label,
    s.voice.score,
    ...s.stances.flatMap((stance) => [reply.targets[stance.target].text, stance.label, stance.score]),
  ]);
  return `\ufeff${[columns, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("")}`;
}

/** A file name that says what and when: qawl-2026-11-21-2005.csv */
export function fileName(extension, now = new Date()) {
  const two = (value) => String(value).padStart(2, "0");
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  return `qawl-${day}-${two(now.getHours())}${two(now.getMinutes())}.${extension}`;
}
