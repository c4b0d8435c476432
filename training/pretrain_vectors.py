"""Vectors of WordPieces from their co-occurrences, and which pieces may stand for each other.

The vectors (positive pointwise mutual information, then a truncated SVD: Levy and Goldberg 2014) start the
embedding table, and their neighbours are what a sentence is corrupted with: a word of the same kind and
frequency that says something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from training.pretrain_data import FIRST_WORD

Vectors = NDArray[np.float32]

_NEAR = 4
_CHUNK = 4_000_000
_PREFIX = re.compile(r"^(?:[وف]?(?:ال|بال|كال|لل)|[وفبلكس])(?=.{3})")
_SUFFIX = re.compile(r"(?<=.{3})(?:هما|ها|هم|ات|ون|ين|ان|ية|وا|نا|[ةهيا])$")
_ARABIC_WORD = re.compile(r"^[\u0621-\u064a]{2,}$")

# What says the opposite. Neighbours alone find most of these; verbs of denial and polarity they miss.
OPPOSITES = (
    ("أكد", "نفى"), ("وأكد", "ونفى"), ("أعلن", "نفى"), ("أعلنت", "نفت"), ("تأكيد", "نفي"), ("مؤكدا", "نافيا"),
    ("ارتفع", "انخفض"), ("ارتفعت", "انخفضت"), ("ارتفاع", "انخفاض"), ("زيادة", "خفض"), ("زاد", "تراجع"),
    ("قبل", "بعد"), ("أكثر", "أقل"), ("أكبر", "أصغر"), ("أعلى", "أدنى"), ("داخل", "خارج"), ("مع", "ضد"),
    ("نجاح", "فشل"), ("نجح", "فشل"), ("نجحت", "فشلت"), ("فوز", "خسارة"), ("فاز", "خسر"), ("وافق", "رفض"),
    ("وافقت", "رفضت"), ("قبول", "رفض"), ("دعم", "معارضة"), ("يدعم", "يعارض"), ("سمح", "منع"), ("فتح", "إغلاق"),
    ("بدء", "انتهاء"), ("بدأ", "انتهى"), ("بدأت", "انتهت"), ("استمرار", "وقف"), ("إطلاق", "وقف"), ("لن", "سوف"),
    ("لم", "قد"), ("عدم", "ضرورة"), ("جميع", "بعض"), ("كل", "بعض"), ("الأول", "الأخير"), ("قوة", "ضعف"),
    ("تقدم", "تراجع"), ("شمال", "جنوب"), ("شرق", "غرب"), ("تحسن", "تدهور"), ("إيجابي", "سلبي"), ("رئيس", "نائب"),
    ("ربح", "خسارة"), ("حرب", "سلام"), ("عودة", "مغادرة"), ("وصل", "غادر"), ("وصول", "مغادرة"), ("حي", "قتيل"),
)  # fmt: skip


def word_vectors(tokens: NDArray[np.uint16], vocabulary: int, dimensions: int, seed: int) -> Vectors:
    """Unit vectors (vocabulary, dimensions) from pieces at most four apart; special tokens get zeros."""
    counts = sparse.csr_matrix((vocabulary, vocabulary), dtype=np.float32)
    for start in range(0, len(tokens), _CHUNK):
        chunk = tokens[start : start + _CHUNK]
        for gap in range(1, _NEAR + 1):
            left, right = chunk[:-gap], chunk[gap:]
            words = (left >= FIRST_WORD) & (right >= FIRST_WORD)
            weight = np.full(int(words.sum()), 1 / gap, np.float32)
            counts = counts + sparse.coo_matrix((weight, (left[words], right[words])), counts.shape).tocsr()
    matrix = (counts + counts.T).tocoo()
    total = np.asarray(matrix.sum(axis=0)).ravel().astype(np.float64) + 1e-9
    smoothed = total**0.75
    smoothed /= smoothed.sum()
    information = np.log(matrix.data / (total[matrix.row] * smoothed[matrix.col]))
    positive = sparse.csr_matrix(
        (np.maximum(information, 0).astype(np.float32), (matrix.row, matrix.col)), counts.shape
    )
    positive.eliminate_zeros()
    rank = min(dimensions, vocabulary - 1)
    left_vectors, values, _ = randomized_svd(positive, rank, n_iter=3, random_state=seed)
    found = left_vectors * np.sqrt(values)
    found /= np.linalg.norm(found, axis=1, keepdims=True) + 1e-9
    result = np.zeros((vocabulary, dimensions), np.float32)
    result[:, :rank] = found
    result[:FIRST_WORD] = 0
    return result


def stem(word: str) -> str:
    """The word without its commonest clitics and endings; only good enough to tell forms of one word."""
    return _SUFFIX.sub("", _PREFIX.sub("", word)).replace("أ", "ا").replace("إ", "ا")


def alternatives(
    pieces: Sequence[str], vectors: Vectors, frequency: NDArray[np.int64], count: int
) -> NDArray[np.int32]:
    """For each piece, `count` ids that say something else in its place; rows of -1 where there are none.

    Candidates are whole words or whole numbers of the same kind, between an eighth and eight times as
    frequent, nearest first, no other form of the same word. Opposites come first where one is listed.
    """
    words = np.array([_ARABIC_WORD.match(piece) is not None for piece in pieces])
    numbers = np.array([piece.isascii() and piece.isdigit() for piece in pieces])
    common = np.argsort(-frequency)[: max(1, len(pieces) // 200)]
    words[common] = False
    stems = np.array([stem(piece) for piece in pieces])
    result = np.full((len(pieces), count), -1, np.int32)
    for kind in (words & (frequency > 0), numbers & (frequency > 0)):
        ids = np.flatnonzero(kind)
        for block in np.array_split(ids, max(1, len(ids) // 512)):
            near = vectors[block] @ vectors[ids].T
            ratio = frequency[block][:, None] / frequency[ids][None]
            near[(stems[block][:, None] == stems[ids][None]) | (ratio > 8) | (ratio < 1 / 8)] = -2
            order = np.argsort(-near, axis=1)[:, :count]
            found = np.where(np.take_along_axis(near, order, axis=1) > -2, ids[order], -1)
            result[block, : found.shape[1]] = found
    index = {piece: number for number, piece in enumerate(pieces)}
    for pair in OPPOSITES:
        for one, other in (pair, pair[::-1]):
            if one in index and other in index:
                result[index[one]] = index[other]
    return _without_gaps(result)


def variants(pieces: Sequence[str], frequency: NDArray[np.int64]) -> NDArray[np.int32]:
    """For each piece, the id of a form of the same word (`الحكومة`, `حكومة`), or -1: a harmless change."""
    groups: dict[str, list[int]] = {}
    for number, piece in enumerate(pieces):
        if _ARABIC_WORD.match(piece) and len(stem(piece)) >= 3 and frequency[number]:
            groups.setdefault(stem(piece), []).append(number)
    result = np.full(len(pieces), -1, np.int32)
    for group in groups.values():
        for number, other in zip(group, group[1:] + group[:1], strict=True):
            result[number] = other if other != number else -1
    return result


def _without_gaps(table: NDArray[np.int32]) -> NDArray[np.int32]:
    """Fill a row's missing entries with its first, so that any column may be drawn."""
    return np.where(table < 0, table[:, :1], table)
