"""Cleans a sentence the way the encoder saw its pretraining text.

A bundle names its normaliser, so training and serving cannot differ. Normalisers are pure, accept any
`str` (lone surrogates included), run in time linear in their input and return text whose only white
space is single blanks; a sentence with nothing to read (emoji, tatweel) becomes the empty string.

`arabert-v02` gives what `arabert` 1.0.1 gives for `bert-base-arabertv02`, quirks included: `a@b.com` is a
[رابط], `و@user` a [بريد], presentation forms (ﻻ, ﷺ) and the Persian letters are dropped, a `/` becomes
`-`, only ASCII letters and digits survive besides the Arabic ones. It differs on purpose in four places:

- alef, waw and yeh followed by a combining hamza or madda are composed first (arabert tears them apart);
- a host name of more than 256 characters is replaced whole (arabert leaves its first part standing);
- a numeric character reference of 4,000 digits or more is dropped (arabert raises);
- nothing backtracks: arabert needs minutes for some inputs of a megabyte.

`plain` is for encoders pretrained on lightly cleaned text (CAMeLBERT, MARBERT, ARBERT, multilingual ones):
tashkeel, tatweel and invisible format characters go, Arabic presentation forms become letters, the rest
stays. Case, digits, punctuation, links and mentions are left to the tokenizer.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

VERSION = "1"
"""Changes whenever any normaliser's output changes for any input; bundles store it."""

LINK, EMAIL, MENTION = "[رابط]", "[بريد]", "[مستخدم]"
SPECIAL_TOKENS = (LINK, EMAIL, MENTION)
"""What `arabert-v02` puts for links, addresses and mentions; each is one token of AraBERT's vocabulary."""

_TASHKEEL = "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652"
_TATWEEL = "\u0640"
_COMPOSED = {
    "\u0627\u0653": "\u0622",
    "\u0627\u0654": "\u0623",
    "\u0648\u0654": "\u0624",
    "\u0627\u0655": "\u0625",
    "\u064a\u0654": "\u0626",
}
_COMBINING = ("\u0653", "\u0654", "\u0655")

_LETTER = "\u0621-\u063a\u0641-\u064a"
_HOST = r"-a-zA-Z0-9@:%._+~#="

# `int` refuses decimal strings longer than this, and so would `html.unescape`.
_HUGE_REFERENCE = re.compile(r"&#[0-9]{4000,};?")
_MAYBE_HOST = re.compile(r"\.[a-z]{2,6}\b")
# The host starts where its run of characters starts: no second try inside the run, hence linear.
_URL = re.compile(rf"(?:https?://.|(?<![{_HOST}]))[{_HOST}]{{2}}[{_HOST}]*?\.[a-z]{{2,6}}\b[{_HOST}?&/]*+")
# What the first pass leaves, in arabert's order: (what the text must hold, what to replace).
_MORE_URLS = (
    ("http", re.compile(r"https?://[a-zA-Z0-9_\-./~?=%&]+")),
    ("www", re.compile(r"www[a-zA-Z0-9_\-?=%&/.~]+")),
    # A name right after another `.com` is a link of its own.
    (".com", re.compile(r"(?:(?<![a-zA-Z])|(?<=\.com))[a-zA-Z]++\.com")),
    ("http", re.compile(r"http\S*")),
    ("www", re.compile(r"www\S*")),
    ("://", re.compile(r"://")),
)
_ADDRESS = re.compile(r"(?<![\w-])[\w-]++@[\w-]++(?:\.[\w-]++)++")
_WORD_WITH_AT = re.compile(r"(?<!\S)\S+@\S+")
_MENTION = re.compile(r"@\w+")
_TAG = re.compile(r"</?[^>]+>")
_REPEATED = re.compile(r"(\D)(?=\1\1)")
_DIGIT_BY_LETTER = re.compile(rf"[0-9](?:(?<=[{_LETTER}][0-9])|(?=[{_LETTER}]))")
_DIGITS_LETTERS = re.compile(rf"(?<![0-9])([0-9]++)([{_LETTER}]++)")
_LETTERS_DIGITS = re.compile(rf"(?<![{_LETTER}])([{_LETTER}]++)([0-9]++)")


class _Table(dict[int, str]):
    """A `str.translate` table in which every character it does not name becomes a blank."""

    def __missing__(self, _: int) -> str:
        return " "


def _spacing_table() -> _Table:
    """Letters and digits as they are, kept punctuation between blanks, all else a blank."""

    def chars(first: int, last: int) -> list[str]:
        return [chr(code) for code in range(first, last + 1)]

    kept = [*chars(0x0640, 0x066C), *chars(0x0671, 0x0674), *chars(0x21, 0x7E)]
    kept += "·٪’،؟“؛”»«–…‘—\u06da\u0b4d"
    whole = [*chars(0x30, 0x39), *chars(0x41, 0x5A), *chars(0x61, 0x7A), *"[] "]
    whole += [*chars(0x0621, 0x063A), *chars(0x0641, 0x064A)]
    table = _Table({ord(char): f" {char} " for char in kept})
    table.update({ord(char): char for char in whole})
    table.update({0x0660 + value: str(value) for value in range(10)})
    table[ord("/")] = " - "
    del table[ord("&")]
    return table


_SPACING = _spacing_table()


def _plain_table() -> dict[int, str | None]:
    """Marks and invisible characters to nothing, Arabic presentation forms to their letters."""
    table: dict[int, str | None] = dict.fromkeys(map(ord, _TASHKEEL + _TATWEEL))
    for code in range(0x10000):  # beyond the first plane only what no newsroom types
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Co"):
            table[code] = " " if chr(code).isspace() else None
    # A joiner parts two words as often as two letters of one (می\u200cخواهم): a blank is the safe reading.
    table[0x200B] = table[0x200C] = " "
    for code in (*range(0xFB50, 0xFE00), *range(0xFE70, 0xFEFD)):
        letters = unicodedata.normalize("NFKC", chr(code))
        if letters != chr(code):
            table[code] = "".join(char for char in letters if char not in _TASHKEEL + _TATWEEL)
    return table


def _compose(text: str) -> str:
    if any(mark in text for mark in _COMBINING):
        for parts, letter in _COMPOSED.items():
            text = text.replace(parts, letter)
    return text


def _mask_links(text: str) -> str:
    """Links, then addresses, then mentions: arabert's order, which decides who takes `a@b.com`."""
    link = f" {LINK} "
    if _MAYBE_HOST.search(text):
        text = _URL.sub(link, text)
    for needle, pattern in _MORE_URLS:
        if needle in text:
            text = pattern.sub(link, text)
    if "@" in text:
        text = _WORD_WITH_AT.sub(f" {EMAIL} ", _ADDRESS.sub(f" {EMAIL} ", text))
        text = _MENTION.sub(f" {MENTION} ", text)
    return text


def _drop_tags(text: str) -> str:
    if "<" not in text:
        return text
    text = text.replace("<br />", " ")
    # Behind the last `>` no tag can close; looking there anyway would cost a scan for every `<`.
    end = text.rfind(">") + 1
    return _TAG.sub(" ", text[:end]) + text[end:]


def _arabert_v02(text: str) -> str:
    if "&" in text:
        text = html.unescape(_HUGE_REFERENCE.sub(" ", text))
    for mark in _TASHKEEL + _TATWEEL:
        text = text.replace(mark, "")
    text = _drop_tags(_mask_links(_compose(text)))
    text = _REPEATED.sub("", text).translate(_SPACING)
    if _DIGIT_BY_LETTER.search(text):
        text = _LETTERS_DIGITS.sub(r" \1 \2 ", _DIGITS_LETTERS.sub(r" \1 \2 ", text))
    return " ".join(text.split())


_PLAIN = _plain_table()


def _plain(text: str) -> str:
    return " ".join(_compose(text.translate(_PLAIN)).split())


NORMALISERS: dict[str, Callable[[str], str]] = {"arabert-v02": _arabert_v02, "plain": _plain}


def normalise(text: str, name: str) -> str:
    """Clean `text` with the normaliser `name`, a key of `NORMALISERS`."""
    return NORMALISERS[name](text)
