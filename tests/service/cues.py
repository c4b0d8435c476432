"""The words that make tests.service.faulty fail, apart from it: importing it imports BentoML."""

from __future__ import annotations

RAISES, MEMORY, NAN, SLOW, MARK = "مسموم", "ذاكرة", "عدمي", "بطيء", "علامة"
SLOW_SECONDS = 1.0
