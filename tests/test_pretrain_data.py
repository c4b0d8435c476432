from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from models.errors import DataError
from training.pretrain_config import Data, Source
from training.pretrain_data import CLS, FIRST_WORD, SEP, Shard, prepare, read_articles, train_tokenizer
from training.pretrain_vectors import alternatives, stem, variants, word_vectors

SEEDS = Path(__file__).parent.parent / "seeds" / "articles.jsonl"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Data:
    source = Source(path=SEEDS, share=1.0)
    return Data(sources=[source], shards=tmp_path_factory.mktemp("shards"), vocabulary=700, held_out_every=10)


@pytest.fixture(scope="module")
def data(settings: Data) -> tuple[Tokenizer, list[Shard], list[Shard]]:
    return prepare(settings)


def text_file(folder: Path, text: str) -> Source:
    path = folder / "text.txt"
    path.write_text(text, encoding="utf-8")
    return Source(path=path, share=1.0)


def test_articles_are_split_at_blank_lines_and_sentences_at_stops(tmp_path: Path):
    source = text_file(tmp_path, "عنوان الخبر\nقال الوزير نعم. ثم غادر؟ انتهى\n\n\nخبر آخر\n")
    assert list(read_articles(source, "plain")) == [
        ["عنوان الخبر", "قال الوزير نعم.", "ثم غادر؟", "انتهى"],
        ["خبر آخر"],
    ]


def test_max_words_stops_after_the_article_that_reaches_it(tmp_path: Path):
    source = text_file(tmp_path, "واحد اثنان ثلاثة\n\nأربعة خمسة\n\nستة\n").model_copy(update={"max_words": 4})
    assert len(list(read_articles(source, "plain"))) == 2


def test_a_missing_corpus_is_named(tmp_path: Path):
    source = Source(path=tmp_path / "absent.txt", share=1.0)
    with pytest.raises(DataError, match=r"absent\.txt: cannot be read"):
        list(read_articles(source, "plain"))


def test_the_placeholders_are_one_token_each():
    tokenizer = train_tokenizer(iter(["زوروا الموقع الرسمي للوزارة"] * 20), 100)
    encoding = tokenizer.encode("زوروا [رابط] أو [بريد] و[مستخدم]")
    assert {"[رابط]", "[بريد]", "[مستخدم]"} <= set(encoding.tokens)
    assert (encoding.ids[0], encoding.ids[-1]) == (CLS, SEP)


def test_the_tokenizer_keeps_case_and_hamza():
    tokenizer = train_tokenizer(iter(["NATO أحمد إيران آخر"] * 20), 200)
    assert tokenizer.encode("NATO أحمد إيران آخر", add_special_tokens=False).tokens == ["NATO", "أحمد", "إيران", "آخر"]


def test_shards_round_trip_and_join(tmp_path: Path):
    articles = [[[10, 11], [12]], [[13, 14, 15]]]
    shard = Shard.pack(articles)
    shard.save(tmp_path / "one.npz")
    joined = Shard.join([Shard.load(tmp_path / "one.npz"), Shard.pack([[[60_000]]])])
    assert joined.tokens.dtype == np.uint16
    assert unpack(joined) == [*articles, [[60_000]]]


def unpack(shard: Shard) -> list[list[list[int]]]:
    def sentence(i: int) -> list[int]:
        part: list[int] = shard.tokens[shard.sentences[i] : shard.sentences[i + 1]].tolist()
        assert part[-1] == SEP
        return part[:-1]

    bounds = zip(shard.articles[:-1], shard.articles[1:], strict=True)
    return [[sentence(i) for i in range(first, last)] for first, last in bounds]


def test_held_out_articles_are_not_trained_on(data: tuple[Tokenizer, list[Shard], list[Shard]]):
    _, (train,), (held_out,) = data
    kept = {tuple(map(tuple, article)) for article in unpack(train)}
    assert len(held_out.articles) > 1
    assert not any(tuple(map(tuple, article)) in kept for article in unpack(held_out))


def test_prepared_shards_are_read_not_rebuilt_until_the_data_changes(
    settings: Data, data: tuple[Tokenizer, list[Shard], list[Shard]]
):
    file = settings.shards / "tokenizer.json"
    before = file.stat().st_mtime_ns
    prepare(settings)
    assert file.stat().st_mtime_ns == before
    tokenizer, _, _ = prepare(settings.model_copy(update={"vocabulary": 500}))
    assert tokenizer.get_vocab_size() == 500


def test_neighbours_share_contexts_and_forms_of_a_word_do_not_count():
    pieces = ["[PAD]"] * FIRST_WORD + ["زار", "الوزير", "القاهرة", "بيروت", "أمس", "##ها", "بالقاهرة"]
    visit, minister, cairo, beirut, yesterday, _, in_cairo = range(FIRST_WORD, FIRST_WORD + 7)
    tokens = np.array([[visit, minister, place, yesterday] for place in (cairo, beirut, in_cairo)] * 50, np.uint16)
    flat = tokens.ravel()
    vectors = word_vectors(flat, len(pieces), 6, seed=0)
    table = alternatives(pieces, vectors, np.bincount(flat, minlength=len(pieces)), 1)
    assert pieces[table[cairo, 0]] == "بيروت"
    assert table[FIRST_WORD + 5, 0] == -1
    assert pieces[variants(pieces, np.bincount(flat, minlength=len(pieces)))[cairo]] == "بالقاهرة"


@pytest.mark.parametrize(("form", "other"), [("والحكومة", "حكومة"), ("الحكومة", "للحكومة"), ("أعلن", "اعلن")])
def test_stem_joins_forms(form: str, other: str):
    assert stem(form) == stem(other)
