from __future__ import annotations

import pytest

from models.errors import InputError
from models.labels import NONE, STANCES
from models.tags import Document

TEXT = "أعلنت الوزارة أنها ستعيد فتح المستشفى مطلع الشهر المقبل. وقال الوزير إن العمل بدأ.\nاقرأ أيضا:\n"


def test_every_sentence_is_tagged_and_offsets_hold(tiny_tagger):
    (tags,) = tiny_tagger.tag([Document(text=TEXT, targets=("أغلقت الوزارة المستشفى", "بدأ العمل"))])
    assert [TEXT[s.start : s.end] for s in tags.sentences] == [s.text for s in tags.sentences]
    covered = "".join(s.text for s in tags.sentences)
    assert "".join(covered.split()) == "".join(TEXT.split())
    for sentence in tags.sentences:
        assert sentence.types
        assert (sentence.types == (NONE,)) == (sentence.primary == NONE)
        assert len(sentence.stance_scores) == 2
        assert all(abs(sum(scores.values()) - 1) < 1e-9 for scores in sentence.stance_scores)
    assert all(sum(d.counts.values()) == len(tags.sentences) for d in tags.document)
    assert set(tags.document[0].counts) == set(STANCES)


def test_one_bad_document_harms_no_other(tiny_tagger):
    good = Document(sentences=("قال الوزير إن العمل بدأ.",))
    (alone,) = tiny_tagger.tag([good])
    first, second = tiny_tagger.tag([Document(sentences=("  ",)), good])
    assert isinstance(first, InputError)
    assert first.field == "sentences[0]"
    assert second == alone


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (Document(), "text"),
        (Document(text="أ", sentences=("أ",)), "text"),
        (Document(sentences=()), "sentences"),
        (Document(sentences=("أ\0",)), "sentences[0]"),
        (Document(text="\n"), "text"),
        (Document(text="أ", title=" "), "title"),
        (Document(text="أ", targets=("ب", "")), "targets[1]"),
        (Document(text="أ ب", spans=((0, 9),)), "spans[0]"),
        (Document(text="أ ب", spans=((0, 2), (1, 3))), "spans[1]"),
        (Document(text="أ ب", spans=()), "spans"),
        (Document(sentences=("أ",), spans=((0, 1),)), "spans"),
        (Document(text="أ", targets=("كلمة " * 60,)), "targets[0]"),
    ],
)
def test_bad_input_names_its_field(tiny_tagger, document, field):
    (error,) = tiny_tagger.tag([document])
    assert isinstance(error, InputError)
    assert error.field == field
