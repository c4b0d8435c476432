"""The language of `--where`: which sentences to keep.

    voice=author and checkable
    stance[2]=disagree and not (type=demand or type=evaluation)
    stance in (agree, disagree) and stance.score>0.8

    expression = term {or term}          term  = factor {and factor}
    factor     = [not] (test | "(" expression ")")
    test       = flag | field (= | != | > | >= | < | <=) value | field in (value, …) | text ~ value

Fields: type (any of the sentence's types), primary, voice, stance[N] (target N, counted from 1), stance (any
target), text; type.score, primary.score, voice.score, stance[N].score, index, length. `score` is the score of
the primary type. Flags: checkable, truncated, is_target, no_arabic. `~` finds a part of the text. Values
with blanks stand in quotes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

from models.errors import ConfigError
from models.labels import NONE, STANCES, VOICES

Sentence = dict[str, Any]
"""A sentence of a reply, as the REST contract has it."""
Test = Callable[[Sentence], bool]

FLAGS = ("checkable", "truncated", "is_target", "no_arabic")
_NUMBERS = ("score", "type.score", "primary.score", "voice.score", "stance.score", "index", "length")
_LABELS = ("type", "primary", "voice", "stance", "text")
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<sign>!=|>=|<=|==|[=><~(),])|(?P<word>[^\s=!><~(),"']+))"""
)
_FIELD = re.compile(r"(?P<base>type|primary|voice|stance)(?:\[(?P<number>\d+)\])?(?P<score>\.score)?")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class Token(NamedTuple):
    """A word, sign or quoted text; `at` is its character, counted from 1."""

    kind: str
    text: str
    at: int


def parse(expression: str, types: Iterable[str] | None = None) -> Test:
    """A test of a sentence of a reply; `types` are the claim types of the bundle, None for any.

    Raises:
        ConfigError: the expression is none; says where and what was expected.

    """
    return _Parser(expression, None if types is None else (*types, NONE)).whole()


class _Parser:
    def __init__(self, expression: str, types: tuple[str, ...] | None) -> None:
        self._tokens = list(_tokens(expression))
        self._next = 0
        self._labels = {"type": types, "primary": types, "voice": VOICES, "stance": STANCES}

    def whole(self) -> Test:
        test = self._either()
        if self._peek().kind != "end":
            self._fail(self._peek(), "expected and, or, or the end")
        return test

    def _either(self) -> Test:
        tests = [self._both()]
        while self._accept("or"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda s: any(test(s) for test in tests)

    def _both(self) -> Test:
        tests = [self._factor()]
        while self._accept("and"):
            tests.append(self._factor())
        return tests[0] if len(tests) == 1 else lambda s: all(test(s) for test in tests)

    def _factor(self) -> Test:
        if self._accept("not"):
            test = self._factor()
            return lambda s: not test(s)
        if self._accept("("):
            test = self._either()
            self._expect(")")
            return test
        return self._test()

    def _test(self) -> Test:
        token = self._take()
        if token.kind != "word":
            self._fail(token, "expected a field")
        if token.text in FLAGS:
            return self._flag(token.text)
        values = self._values(token)
        sign = self._take()
        if sign.text == "in":
            return self._among(token, values)
        if sign.text == "~":
            return self._part(token)
        if sign.text not in _COMPARE:
            self._fail(sign, "expected one of = != > >= < <= in ~")
        wanted = self._value(token, sign)
        compare = _COMPARE[sign.text]
        if sign.text == "!=":
            # "no value is it": a sentence with the types event and cause fails type!=event.
            return lambda s: wanted not in list(values(s))
        return lambda s: any(compare(value, wanted) for value in values(s) if value is not None)

    def _flag(self, name: str) -> Test:
        if self._peek().text not in ("=", "==", "!="):
            return lambda s: bool(s.get(name, False))
        same = self._take().text != "!="
        value = self._take()
        if value.text not in ("true", "false"):
            self._fail(value, f"{name} is true or false")
        wanted = (value.text == "true") == same
        return lambda s: bool(s.get(name, False)) == wanted

    def _among(self, field: Token, values: Callable[[Sentence], Iterable[Any]]) -> Test:
        self._expect("(")
        wanted = {self._value(field, None)}
        while self._accept(","):
            wanted.add(self._value(field, None))
        self._expect(")")
        return lambda s: any(value in wanted for value in values(s))

    def _part(self, field: Token) -> Test:
        if field.text != "text":
            self._fail(field, "~ is for text only")
        part = self._take()
        if part.kind not in ("word", "quoted"):
            self._fail(part, "expected a part of the text")
        return lambda s: part.text in s["text"]

    def _value(self, field: Token, sign: Token | None) -> str | float:
        token = self._take()
        if token.kind not in ("word", "quoted"):
            self._fail(token, f"expected a value of {field.text}")
        if field.text in _NUMBERS or field.text.endswith(".score"):
            try:
                return float(token.text)
            except ValueError:
                self._fail(token, f"{field.text} is compared with a number")
        if sign is not None and sign.text not in ("=", "==", "!="):
            self._fail(sign, f"{field.text} is no number; use = or !=")
        allowed = self._labels.get(field.text.partition("[")[0])
        if allowed is not None and token.text not in allowed:
            self._fail(token, f"{field.text} is one of {', '.join(allowed)}")
        return token.text

    def _values(self, token: Token) -> Callable[[Sentence], Iterable[Any]]:
        """The values of a field in a sentence; several for `type` and `stance`, none for a target without one."""
        if token.text in ("index", "text"):
            return lambda s: [s[token.text]]
        if token.text == "length":
            return lambda s: [len(s["text"])]
        if token.text == "score":
            return lambda s: [_primary_score(s)]
        match = _FIELD.fullmatch(token.text)
        if match is None or (match["number"] and match["base"] != "stance"):
            fields = ", ".join((*_LABELS[:-1], "stance[N]", "text", *_NUMBERS, *FLAGS))
            self._fail(token, f"no such field; fields: {fields}")
        return self._labelled(token, match)

    def _labelled(self, token: Token, match: re.Match[str]) -> Callable[[Sentence], Iterable[Any]]:
        key = "score" if match["score"] else "label"
        if match["base"] == "primary":
            return (lambda s: [_primary_score(s)]) if match["score"] else (lambda s: [s["primary"]])
        if match["base"] == "voice":
            return lambda s: [s["voice"][key]]
        if match["base"] == "type":
            return lambda s: [scored[key] for scored in s["types"]]
        if match["number"] is None:
            return lambda s: [stance[key] for stance in s["stances"]]
        number = int(match["number"]) - 1
        if number < 0:
            self._fail(token, "targets are counted from 1")
        return lambda s: [stance[key] for stance in s["stances"] if stance["target"] == number]

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _accept(self, text: str) -> bool:
        token = self._peek()
        if token.kind == "quoted" or token.text != text:
            return False
        self._take()
        return True

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            self._fail(self._peek(), f"expected {text}")

    def _fail(self, token: Token, why: str) -> NoReturn:
        where = "at its end" if token.kind == "end" else f"character {token.at}, {token.text!r}"
        raise ConfigError(f"--where: {where}: {why}")


def _tokens(expression: str) -> Iterator[Token]:
    at = 0
    end = len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ConfigError(f"--where: character {at + 1}: a quote that is not closed, or a stray sign")
        kind = str(match.lastgroup)
        text = match[kind]
        yield Token(kind, text[1:-1] if kind == "quoted" else text, match.start(kind) + 1)
        at = match.end()
    yield Token("end", "", end + 1)


def _primary_score(sentence: Sentence) -> float | None:
    scores = [scored["score"] for scored in sentence["types"] if scored["label"] == sentence["primary"]]
    return scores[0] if scores else None
