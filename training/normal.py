"""Texts made comparable: what two copies of one text have in common."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

# Hamza above, below and madda decompose into marks.
_FOLD = (("ى", "ي"), ("ة", "ه"))
# Combining marks of Latin and Arabic, and tatweel.
_MARKS = re.compile("[\u0300-\u036f\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]+")
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """A text's words and numbers without marks, case and the letters that Arabic spelling varies in."""
    decomposed = unicodedata.normalize("NFKD", text)
    for letter, base in _FOLD:
        decomposed = decomposed.replace(letter, base)
    return _WORD.findall(_MARKS.sub("", decomposed).casefold())


def key(texts: Iterable[str]) -> str:
    """A fingerprint that copies of a text share, whatever its marks, punctuation and spacing."""
    joined = " ".join(word for text in texts for word in words(text))
    return hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()
