"""Writes normaliser.jsonl: what `arabert` 1.0.1 makes of seed sentences and of the strings below.

Runs where arabert is installed, which is never the project's own environment: see README.md.
"""

from __future__ import annotations

import json
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent
SEEDS = GOLDEN.parents[1] / "seeds" / "articles.jsonl"
EVERY = 3
"""One seed sentence in so many keeps the file small; the articles differ in style, not within."""

EDGES = (
    "",
    "   ",
    "\n\t\u00a0\u2003",
    "مُدرّسةٌ جديدةً",
    "العـــربية ـــ",
    "٢٠٢٤م و2024م و24ساعة و3أشهر",
    "COVID19وباء وباء19COVID كوفيد19 a1ا [1ا] aاب12 12ابc",
    "٣٫٥٪ و3.5% و1,234.56 و7:30 و12/5/2015 و1/2",
    "۱۲۳ ১২ １２ ² ½",
    "ههههههههه ممممتاز !!!! ؟؟؟ .... 1111 ٤٤٤٤ ــــ    .",
    "https://example.com/a/b?c=1&d=2#e ثم http://example.org",
    "http://ex.com http://x.com https://t.co/abc www.example.com www.a example.info",
    "a.com comb.com x.comb.com 1.comb.com a.comو example.comو example.company",
    "://نص http: https:// httpنص wwwنص wwwhttpنص HTTP://EXAMPLE.COM",
    "راسلونا على news@example.com أو a@b.c أو و@user أو (أ@ب.ج) أو @user أو @ user أو a@ b",
    "@مستخدم #وسم #وسم_طويل @@ a@@b",
    "[رابط] [بريد] [مستخدم] [نص] [رابط]نص [ رابط ]",
    "<b>نص</b> <br /> <br> < نص > <> </> <<br />نص> نص > نص < نص",
    "&quot;نص&quot; &amp; &amp;quot; &lt;b&gt; &#1575; &#x627; &nbsp;نص &unknown; & &#; &#99999999;",
    "«اقتباس» “اقتباس” \"اقتباس\" 'اقتباس' ‹اقتباس› ‘اقتباس’ „اقتباس‟",
    "قال:نعم.وأضاف،ثم؛ثم؟ثم!ثم…ثم",
    "شرطة - وشرطة – وشرطة — وشرطة ‐ و_ و+ و= و~ و^ و| و\\ و` و{نص} و(نص) و*",
    "😀 نص 👩‍👩‍👧 نص ❤\ufe0f",
    "ﻻ ﷲ ﷺ ﺍﻟﻌﺮﺑﻴﺔ",
    "گچپژڤ یک ٱلله هـٰذا \u06da \u0670",
    "\u200fنص\u200e مع\u200b علامات\ufeff \u202bنص\u202c",
    "سطر\nجديد\r\nآخر\u2028آخر\x85آخر\x0bآخر\x0cآخر",
    "\x00نص\x07نص\x7fنص\ufffd\U000f0000",
    "café naïve Ångström ß ı İ Ω ж 中文 日本",
    "آمنة امنة مدرسة مدرسه على علي فى في ؤ ئ ء أ إ",
    "د. أحمد، أ.د. سعيد (ص. 5) ق.م. 1439هـ",
    "$100 €100 £5 ¥7 ₪3 100٪ 5° ± × ÷ · • §",
)


def pairs() -> list[dict[str, object]]:
    """Edge strings with their text, seed sentences by article and index, each with arabert's output."""
    from arabert import ArabertPreprocessor  # type: ignore[import-not-found]

    preprocess = ArabertPreprocessor("aubmindlab/bert-base-arabertv02").preprocess
    rows: list[dict[str, object]] = [{"input": text, "output": preprocess(text)} for text in EDGES]
    articles = [json.loads(line) for line in SEEDS.read_text(encoding="utf-8").splitlines()]
    for article in articles:
        for index, sentence in enumerate(article["sentences"]):
            if index % EVERY == 0:
                output = preprocess(sentence["text"])
                rows.append({"article": article["id"], "sentence": index, "output": output})
    return rows


if __name__ == "__main__":
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in pairs()]
    (GOLDEN / "normaliser.jsonl").write_text("".join(lines), encoding="utf-8")
