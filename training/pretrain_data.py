"""Raw text to token shards: read, normalise, train a WordPiece vocabulary, encode.

A shard is one source's tokens in one flat row, each sentence closed by [SEP], with the places where
sentences and articles start. Every `held_out_every`-th article goes to the held-out shard of the source.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np
import zstandard
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from models.errors import ConfigError, DataError
from models.text import SPECIAL_TOKENS, VERSION, normalise
from training.pretrain_config import Data, Source

PAD, UNK, CLS, SEP, MASK = range(5)
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *SPECIAL_TOKENS)
FIRST_WORD = len(SPECIALS)
"""The lowest id that is neither special nor a placeholder."""

_LETTERS = (*map(chr, range(0x621, 0x63B)), *map(chr, range(0x641, 0x64B)), *string.ascii_letters, *string.digits)
_CONTINUED = tuple(f"##{letter}" for letter in _LETTERS)

_STOP = re.compile(r"(?<=[.؟!…])(?:[\"”»’)]*)\s+")
_SHARD_TOKENS = 6_000_000  # as uint16, compressed, well under 16 MiB

Article = list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Tokens of many articles.

    `tokens` (T,) uint16, each sentence closed by SEP; `sentences` (S + 1,) int64 where each sentence starts,
    the end last; `articles` (A + 1,) int64 index into `sentences` where each article starts, the end last.
    """

    tokens: NDArray[np.uint16]
    sentences: NDArray[np.int64]
    articles: NDArray[np.int64]

    @classmethod
    def pack(cls, articles: list[list[list[int]]]) -> Shard:
        """Lay out articles, each a list of sentences of token ids without SEP."""
        sentences = [sentence for article in articles for sentence in article]
        lengths = np.fromiter((len(sentence) + 1 for sentence in sentences), np.int64, len(sentences))
        counts = np.fromiter(map(len, articles), np.int64, len(articles))
        flat = chain.from_iterable((*sentence, SEP) for sentence in sentences)
        return cls(
            np.fromiter(flat, np.uint16, int(lengths.sum())),
            np.concatenate(([0], np.cumsum(lengths))),
            np.concatenate(([0], np.cumsum(counts))),
        )

    @classmethod
    def join(cls, shards: list[Shard]) -> Shard:
        """One shard with the articles of several."""
        tokens = np.cumsum([0, *(len(shard.tokens) for shard in shards)])
        sentences = np.cumsum([0, *(len(shard.sentences) - 1 for shard in shards)])
        return cls(
            np.concatenate([shard.tokens for shard in shards]),
            np.concatenate(
                [[0], *(shard.sentences[1:] + start for shard, start in zip(shards, tokens, strict=False))]
            ).astype(np.int64),
            np.concatenate(
                [[0], *(shard.articles[1:] + start for shard, start in zip(shards, sentences, strict=False))]
            ).astype(np.int64),
        )

    def save(self, path: Path) -> None:
        """Write one compressed file."""
        np.savez_compressed(path, tokens=self.tokens, sentences=self.sentences, articles=self.articles)

    @classmethod
    def load(cls, path: Path) -> Shard:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as data:
            return cls(data["tokens"], data["sentences"], data["articles"])


def read_articles(source: Source, normaliser: str) -> Iterator[Article]:
    """Articles of a source as lists of normalised sentences.

    Raises:
        DataError: the file is missing or is not zstd or UTF-8.

    """
    words = 0
    for lines in articles_of(source.path):
        parts = chain.from_iterable(_STOP.split(line.strip()) for line in lines)
        article = [cleaned for part in parts if (cleaned := normalise(part, normaliser))]
        if article:
            yield article
        words += sum(line.count(" ") + 1 for line in lines)
        if source.max_words and words >= source.max_words:
            return


def articles_of(path: Path) -> Iterator[list[str]]:
    """The lines of each article of a file, as they stand there.

    Raises:
        DataError: the file is missing or is not zstd or UTF-8.

    """
    try:
        with _open(path) as lines:
            if path.suffix == ".jsonl":
                yield from ([sentence["text"] for sentence in json.loads(line)["sentences"]] for line in lines)
            else:
                groups = groupby(lines, key=lambda line: bool(line.strip()))
                yield from (list(group) for filled, group in groups if filled)
    except (OSError, ValueError, KeyError, TypeError, zstandard.ZstdError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _open(path: Path) -> io.TextIOWrapper:
    raw = path.open("rb")
    if path.suffix != ".zst":
        return io.TextIOWrapper(raw, encoding="utf-8")
    # The corpora were compressed with --long=27 or more.
    reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(raw, closefd=True)
    return io.TextIOWrapper(reader, encoding="utf-8")


def train_tokenizer(sentences: Iterator[str], vocabulary: int) -> Tokenizer:
    """A cased WordPiece vocabulary with AraBERT's settings; the normaliser's placeholders are one token each."""
    trainer = trainers.WordPieceTrainer(
        # The trainer numbers continued letters in the order of a hash map, and breaks ties by number: naming
        # them first makes the vocabulary the same every time.
        vocab_size=vocabulary,
        special_tokens=[*SPECIALS, *_CONTINUED],
        show_progress=False,
        limit_alphabet=400,
    )
    trained = _untrained(models.WordPiece(unk_token="[UNK]"))
    trained.train_from_iterator(sentences, trainer)
    tokenizer = _untrained(models.WordPiece(trained.get_vocab(), unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIALS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    return tokenizer


def _untrained(model: models.WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=None)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, positions: int) -> None:
    """Write tokenizer.json and tokenizer_config.json for `AutoTokenizer`."""
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=positions,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    fast.save_pretrained(folder)


def prepare(data: Data) -> tuple[Tokenizer, list[Shard], list[Shard]]:
    """Tokenizer, training shards and held-out shards (one a source), built once and then read from `shards`."""
    folder = data.shards
    mark = folder / "sources.json"
    wanted = _fingerprint(data)
    if not mark.is_file() or json.loads(mark.read_text(encoding="utf-8")) != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in (*folder.glob("*.npz"), *folder.glob("*.npy")):  # the shards, and the vectors made of them
            stale.unlink()
        _build(data, folder)
        mark.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    names = range(len(data.sources))
    train = [Shard.join([Shard.load(path) for path in sorted(folder.glob(f"{i:02}-train-*.npz"))]) for i in names]
    held_out = [Shard.load(folder / f"{i:02}-held-out.npz") for i in names]
    return tokenizer, train, held_out


def _fingerprint(data: Data) -> dict[str, object]:
    """What the shards depend on; the sources by name and size, so that a copy elsewhere counts as the same."""
    sources = [
        [source.path.name, source.path.stat().st_size if source.path.is_file() else None, source.max_words]
        for source in data.sources
    ]
    rest = [data.normaliser, VERSION, data.vocabulary, data.tokenizer_words, data.held_out_every]
    if data.tokenizer:
        rest.append(hashlib.sha256(_tokenizer(data).to_str().encode()).hexdigest())
    digest = hashlib.sha256(json.dumps([sources, rest]).encode()).hexdigest()
    return {"sources": [source.path.name for source in data.sources], "sha256": digest}


def _build(data: Data, folder: Path) -> None:
    tokenizer = _tokenizer(data) if data.tokenizer else train_tokenizer(_tokenizer_text(data), data.vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"))
    for number, source in enumerate(data.sources):
        held_out: list[list[list[int]]] = []
        parts = _encode_parts(read_articles(source, data.normaliser), tokenizer, data.held_out_every, held_out)
        for part, articles in enumerate(parts):
            Shard.pack(articles).save(folder / f"{number:02}-train-{part:03}.npz")
        Shard.pack(held_out).save(folder / f"{number:02}-held-out.npz")


def _tokenizer(data: Data) -> Tokenizer:
    """The tokenizer that `data` names, checked for what shards and masking take for granted."""
    try:
        tokenizer = Tokenizer.from_file(str(data.tokenizer))
    # tokenizers raises bare exceptions.
    except Exception as error:
        raise ConfigError(f"data.tokenizer: {data.tokenizer}: cannot be read ({error})") from error
    if tokenizer.get_vocab_size() != data.vocabulary:
        size = tokenizer.get_vocab_size()
        raise ConfigError(f"data.vocabulary: {data.vocabulary}: data.tokenizer has {size} pieces; say {size}")
    if tuple(tokenizer.id_to_token(number) for number in range(FIRST_WORD)) != SPECIALS:
        raise ConfigError(f"data.tokenizer: {data.tokenizer}: must begin with {', '.join(SPECIALS)}")
    return tokenizer


def _tokenizer_text(data: Data) -> Iterator[str]:
    """`tokenizer_words` words, from each source according to its share."""
    total = sum(source.share for source in data.sources)
    for source in data.sources:
        limit = max(1, round(data.tokenizer_words * source.share / total))
        limited = source.model_copy(update={"max_words": min(limit, source.max_words or limit)})
        yield from chain.from_iterable(read_articles(limited, data.normaliser))


def _encode_parts(
    articles: Iterator[Article], tokenizer: Tokenizer, held_out_every: int, held_out: list[list[list[int]]]
) -> Iterator[list[list[list[int]]]]:
    """Encoded training articles in parts of about a shard's size; the others are added to `held_out`."""
    part: list[list[list[int]]] = []
    size = seen = 0
    while batch := list(islice(articles, 500)):
        flat = [sentence for article in batch for sentence in article]
        ids = iter(tokenizer.encode_batch_fast(flat, add_special_tokens=False))
        for article in batch:
            encoded = [next(ids).ids for _ in article]
            seen += 1
            if seen % held_out_every == 0:
                held_out.append(encoded)
                continue
            part.append(encoded)
            size += sum(map(len, encoded)) + len(encoded)
        if size >= _SHARD_TOKENS:
            yield part
            part, size = [], 0
    if part:
        yield part
