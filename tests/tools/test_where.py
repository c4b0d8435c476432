from __future__ import annotations

import pytest

from models.errors import ConfigError
from models.labels import SCHEME, ClaimType, Stance, Voice
from tools.where import parse

SENTENCE = {
    "index": 3,
    "text": "قال الوزير إن المعبر أُغلق",
    "types": [{"label": ClaimType.EVENT, "score": 0.9}, {"label": ClaimType.CAUSE, "score": 0.6}],
    "primary": ClaimType.CAUSE,
    "checkable": True,
    "voice": {"label": Voice.ATTRIBUTED, "score": 0.7},
    "stances": [
        {"target": 0, "label": Stance.AGREE, "score": 0.95},
        {"target": 1, "label": Stance.DISAGREE, "score": 0.55},
        {"target": 2, "label": None, "score": None},
    ],
    "truncated": False,
}


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("checkable", True),
        ("truncated", False),
        ("no_arabic", False),
        ("checkable=false", False),
        ("checkable != false", True),
        ("type=event", True),
        ("type=cause", True),
        ("type=rule", False),
        ("type!=rule", True),
        ("type!=event", False),
        ("primary=event", False),
        ("type in (rule, cause)", True),
        ("type in (rule)", False),
        ("voice=attributed", True),
        ("voice=author or checkable", True),
        ("voice=author and checkable", False),
        ("not voice=author and checkable", True),
        ("not (voice=author or checkable)", False),
        ("not not checkable", True),
        # `and` binds before `or`.
        ("checkable or voice=author and voice=author", True),
        ("(checkable or voice=author) and voice=author", False),
        ("stance=disagree", True),
        ("stance=unrelated", False),
        ("stance[1]=agree", True),
        ("stance[2]=agree", False),
        ("stance[2] in (agree, disagree)", True),
        ("stance[3]=agree", False),
        ("stance[3]!=agree", True),
        ("stance[9]=agree", False),
        ("stance[1].score>0.9", True),
        ("stance[2].score>0.9", False),
        ("stance[3].score>0.1", False),
        ("stance.score<0.6", True),
        ("score>0.6", False),
        ("score>=0.6", True),
        ("primary.score<=0.6", True),
        ("type.score>0.8", True),
        ("voice.score<0.7", False),
        ("index=3", True),
        ("index>3", False),
        ("length<10", False),
        ("text~الوزير", True),
        ("text ~ 'المعبر أُغلق'", True),
        ('text~"السفير"', False),
        # A quoted word is a value, never an operator.
        ("text~'and'", False),
    ],
)
def test_expression(expression: str, kept: bool) -> None:
    assert parse(expression, SCHEME.type_ids)(SENTENCE) is kept


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "at its end: expected a field"),
        ("vioce=author", "character 1, 'vioce': no such field; fields: type, primary, voice"),
        ("checkable and voice=autor", "character 21, 'autor': voice is one of author, attributed, mixed"),
        ("type=events", "character 6, 'events': type is one of event, quantity"),
        ("voice author", "character 7, 'author': expected one of = != > >= < <= in ~"),
        ("voice>author", "character 6, '>': voice is no number; use = or !="),
        ("score>high", "character 7, 'high': score is compared with a number"),
        ("(checkable", "at its end: expected )"),
        ("checkable)", "character 10, ')': expected and, or, or the end"),
        ("checkable checkable", "character 11, 'checkable': expected and, or, or the end"),
        ("stance[0]=agree", "character 1, 'stance[0]': targets are counted from 1"),
        ("voice[1]=author", "character 1, 'voice[1]': no such field"),
        ("voice=", "at its end: expected a value of voice"),
        ("text~", "at its end: expected a part of the text"),
        ("voice~a", "character 1, 'voice': ~ is for text only"),
        ("text='a", "character 6: a quote that is not closed"),
        ("checkable=maybe", "character 11, 'maybe': checkable is true or false"),
        ("type in event", "character 9, 'event': expected ("),
        ("and", "character 1, 'and': no such field"),
    ],
)
def test_error_says_where_and_what(expression: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(expression, SCHEME.type_ids)
    assert str(caught.value).startswith(f"--where: {message}")


def test_own_claim_types() -> None:
    assert not parse("type=rumour", ("rumour",))(SENTENCE)
    assert not parse("type=rumour")(SENTENCE)
    with pytest.raises(ConfigError, match="type is one of rumour, none"):
        parse("type=event", ("rumour",))
