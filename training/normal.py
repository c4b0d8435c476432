"""Texts made comparable: what two copies of one text have in common."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

_TATWEEL = "\u0640"
_FOLD = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ة": "ه", _TATWEEL: ""})
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """A text's words and numbers without marks, case and the letters that Arabic spelling varies in."""
    marked = unicodedata.normalize("NFKD", text.translate(_FOLD))
    bare = "".join(character for character in marked if not unicodedata.combining(character))
    return _WORD.findall(bare.casefold())


def key(texts: Iterable[str]) -> str:
    """A fingerprint that copies of a text share, whatever its marks, punctuation and spacing."""
    joined = " ".join(word for text in texts for word in words(text))
    return hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()
