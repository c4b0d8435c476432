"""The label scheme qawl-1: every label name, its definition and what follows from it.

This is the one place where a label is spelled; the annotation guideline is its source. Voice and stance
are fixed by the scheme; the claim types are data of a bundle, so a bundle may carry its own list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from models.errors import BundleError


class ClaimType(StrEnum):
    """What a sentence's content claims; several may hold at once."""

    EVENT = "event"
    QUANTITY = "quantity"
    CAUSE = "cause"
    RULE = "rule"
    PREDICTION = "prediction"
    INTENT = "intent"
    DEMAND = "demand"
    EVALUATION = "evaluation"


NONE = "none"
"""The exclusive answer when no claim type holds."""


class Voice(StrEnum):
    """Who presents the claims of a sentence."""

    AUTHOR = "author"
    ATTRIBUTED = "attributed"
    MIXED = "mixed"


class Stance(StrEnum):
    """The bearing of a sentence's content on a target, whoever says it."""

    AGREE = "agree"
    DISAGREE = "disagree"
    DISCUSS = "discuss"
    UNRELATED = "unrelated"


VOICES = tuple(str(voice) for voice in Voice)
STANCES = tuple(str(stance) for stance in Stance)
MIXED = "mixed"
"""What reports call the stance of an article in which both sides reach the margin."""
POLAR = (str(Stance.AGREE), str(Stance.DISAGREE))
"""The two stances that take a side."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label as people read it."""

    id: str
    arabic: str
    english: str
    definition: str
    example: str


@dataclass(frozen=True, slots=True)
class Scheme:
    """The labels of a bundle, in the order of its heads' outputs.

    `types` leaves out `none`, which is an outcome and not an output. `checkable` are the types that can be
    tested against the world now; a sentence with one of them is checkable.
    """

    name: str
    types: tuple[Label, ...]
    none: Label
    voices: tuple[Label, ...]
    stances: tuple[Label, ...]
    checkable: tuple[str, ...]

    @property
    def type_ids(self) -> tuple[str, ...]:
        """Ids of the claim types, `none` left out, in output order."""
        return tuple(label.id for label in self.types)

    def is_checkable(self, types: Iterable[str]) -> bool:
        """Whether any of a sentence's types can be tested against the world now."""
        return not set(self.checkable).isdisjoint(types)

    def to_json(self) -> dict[str, Any]:
        """Plain data for bundle.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Scheme:
        """Read what `to_json` wrote.

        Raises:
            BundleError: a field is missing, unknown or of the wrong form.

        """
        try:
            data = dict(data)
            for head in ("types", "voices", "stances"):
                data[head] = tuple(Label(**label) for label in data[head])
            data["none"] = Label(**data["none"])
            data["checkable"] = tuple(data["checkable"])
            scheme = cls(**data)
        except (TypeError, KeyError, AttributeError) as error:
            raise BundleError(f"bundle.json: scheme: not a label scheme ({error})") from error
        scheme._check()
        return scheme

    def _check(self) -> None:
        if tuple(label.id for label in self.voices) != VOICES:
            raise BundleError(f"bundle.json: scheme.voices: must be {', '.join(VOICES)} in this order")
        if tuple(label.id for label in self.stances) != STANCES:
            raise BundleError(f"bundle.json: scheme.stances: must be {', '.join(STANCES)} in this order")
        ids = self.type_ids
        if not ids or len(set(ids)) != len(ids) or self.none.id != NONE or NONE in ids:
            raise BundleError(f"bundle.json: scheme.types: ids must be distinct, at least one, and not {NONE}")
        if unknown := set(self.checkable) - set(ids):
            raise BundleError(f"bundle.json: scheme.checkable: {', '.join(sorted(unknown))}: no such type")


_TYPES = (
    Label(
        ClaimType.EVENT,
        "واقعة",
        "Event",
        "A specific act, happening, state, identity or status presented as past, present or just happened.",
        "أغلقت السلطات المعبر الحدودي صباح الاثنين.",
    ),
    Label(
        ClaimType.QUANTITY,
        "كمّية",
        "Quantity",
        "The truth of the claim turns on a number, measure, share, rate, count, comparison of amounts, or rank.",
        "بلغت نسبة البطالة أربعة عشر في المئة في الربع الثالث.",
    ),
    Label(
        ClaimType.CAUSE,
        "سببية",
        "Cause",
        "Asserts that one thing brings about, enables, prevents, hinders, explains or correlates with another, "
        "or that no such link exists.",
        "أدى نقص الوقود إلى توقف مخابز الحي عن العمل.",
    ),
    Label(
        ClaimType.RULE,
        "قاعدة",
        "Rule",
        "States the content of a law, treaty, agreement, official decision, procedure, right or lawfulness, "
        "as in force or adopted.",
        "ينص القانون الجديد على منح المستأجر مهلة ستة أشهر قبل الإخلاء.",
    ),
    Label(
        ClaimType.PREDICTION,
        "توقّع",
        "Prediction",
        "Says what will or would happen outside the claimer's sole control; schedules in the paper's voice; "
        "conditionals about the future.",
        "ستشهد المحافظات الساحلية أمطارا غزيرة مساء الغد.",
    ),
    Label(
        ClaimType.INTENT,
        "نيّة/تعهّد",
        "Intent",
        "The claimer commits, offers, plans, decides, declares readiness, support or the aim of its own action.",
        "أعلنت الوزارة أنها ستعيد فتح المستشفى مطلع الشهر المقبل.",
    ),
    Label(
        ClaimType.DEMAND,
        "مطالبة",
        "Demand",
        "Says what someone should, must or needs to do or stop; calls, urges, conditions.",
        "طالبت النقابة الحكومة بصرف الرواتب المتأخرة.",
    ),
    Label(
        ClaimType.EVALUATION,
        "تقييم",
        "Evaluation",
        "Judgement, interpretation, significance, blame or praise, thanks, hope, fear, condemnation; "
        "a motive or message ascribed to another.",
        "وصف المحلل القرار بأنه خطأ فادح.",
    ),
)
_NONE = Label(
    NONE,
    "بلا ادّعاء",
    "No claim",
    "Nothing is claimed: a question, section label, byline, greeting or bare title.",
    "هل تصمد الهدنة هذه المرة؟",
)
_VOICES = (
    Label(
        Voice.AUTHOR,
        "صوت الكاتب",
        "Author",
        "No claim of the sentence is presented as said, thought or decreed by a source other than the paper.",
        "من المتوقع أن تصل أول شحنة قمح إلى الميناء نهاية الأسبوع.",
    ),
    Label(
        Voice.ATTRIBUTED,
        "منسوب",
        "Attributed",
        "Every claim is presented as said, written, thought, known or decreed by a source other than the paper.",
        "أعرب السفير عن امتنانه لموقف الدولة المضيفة.",
    ),
    Label(
        Voice.MIXED,
        "مختلط",
        "Mixed",
        "At least one main or coordinate clause in the paper's own voice and one attributed to a source.",
        "زار الوزير المصنع أمس وتعهّد بدعم عماله.",
    ),
)
_STANCES = (
    Label(
        Stance.AGREE,
        "يؤيّد",
        "Agrees",
        "The content asserts, presupposes or entails every essential part of the target.",
        "الهدف: «أغلقت السلطات المعبر» — «أغلقت السلطات المعبر الحدودي صباح الاثنين.»",
    ),
    Label(
        Stance.DISAGREE,
        "يعارض",
        "Disagrees",
        "The content asserts, presupposes or entails that the target, or one essential part of it, is false.",
        "الهدف: «تسرّبت بيانات عملاء الشركة» — «نفت الشركة تسرّب بيانات عملائها.»",
    ),
    Label(
        Stance.DISCUSS,
        "يناقش",
        "Discusses",
        "About the target without deciding it: mentions it, asks, hedges, or supports only a part.",
        "الهدف: «ستصمد الهدنة» — «هل تصمد الهدنة هذه المرة؟»",
    ),
    Label(
        Stance.UNRELATED,
        "لا صلة له",
        "Unrelated",
        "Does not mention the target's object or event, nor a constitutive part of it.",
        "الهدف: «أغلقت السلطات المعبر» — «ستشهد المحافظات الساحلية أمطارا غزيرة مساء الغد.»",
    ),
)

SCHEME = Scheme(
    name="qawl-1",
    types=_TYPES,
    none=_NONE,
    voices=_VOICES,
    stances=_STANCES,
    checkable=(ClaimType.EVENT, ClaimType.QUANTITY, ClaimType.CAUSE, ClaimType.RULE),
)

_T, _V, _S = ClaimType, Voice, Stance
MAPPINGS: dict[str, dict[str, list[str]]] = {
    "full_fact_2026": {
        _T.EVENT: ["other", "voting", "personal"],
        _T.QUANTITY: ["quantity"],
        _T.CAUSE: ["correlation"],
        _T.RULE: ["rules"],
        _T.PREDICTION: ["predictions"],
        _T.INTENT: ["support"],
        _T.DEMAND: ["opinion", "not_claim"],
        _T.EVALUATION: ["opinion"],
        NONE: ["not_claim"],
    },
    "konstantinovskiy_2018": {
        _T.EVENT: ["other"],
        _T.QUANTITY: ["quantity in past or present"],
        _T.CAUSE: ["correlation or causation"],
        _T.RULE: ["current laws or rules of operation"],
        _T.PREDICTION: ["prediction"],
        _T.INTENT: ["other"],
        _T.DEMAND: ["not a claim"],
        _T.EVALUATION: ["not a claim"],
        NONE: ["not a claim"],
    },
    "claimbuster": {
        _T.EVENT: ["UFS", "CFS"],
        _T.QUANTITY: ["UFS", "CFS"],
        _T.CAUSE: ["UFS", "CFS"],
        _T.RULE: ["UFS", "CFS"],
        _T.PREDICTION: ["NFS"],
        _T.INTENT: ["NFS"],
        _T.DEMAND: ["NFS"],
        _T.EVALUATION: ["NFS"],
        NONE: ["NFS"],
    },
    "checkthat_verifiable": {
        _T.EVENT: ["yes"],
        _T.QUANTITY: ["yes"],
        _T.CAUSE: ["yes"],
        _T.RULE: ["yes"],
        _T.PREDICTION: ["no", "yes"],
        _T.INTENT: ["no", "yes"],
        _T.DEMAND: ["no"],
        _T.EVALUATION: ["no"],
        NONE: ["no"],
    },
    "checkthat_subjectivity": {
        _T.EVENT: ["OBJ"],
        _T.QUANTITY: ["OBJ"],
        _T.CAUSE: ["OBJ", "SUBJ"],
        _T.RULE: ["OBJ"],
        _T.PREDICTION: ["OBJ", "SUBJ"],
        _T.INTENT: ["OBJ"],
        _T.DEMAND: ["SUBJ", "OBJ"],
        _T.EVALUATION: ["SUBJ", "OBJ"],
        NONE: ["OBJ"],
    },
    "cdcp": {
        _T.EVENT: ["fact", "testimony"],
        _T.QUANTITY: ["fact"],
        _T.CAUSE: ["fact"],
        _T.RULE: ["fact", "reference"],
        _T.PREDICTION: ["value"],
        _T.INTENT: ["policy"],
        _T.DEMAND: ["policy"],
        _T.EVALUATION: ["value"],
        NONE: [],
    },
    "arsas": {
        _T.EVENT: ["assertion"],
        _T.QUANTITY: ["assertion"],
        _T.CAUSE: ["assertion"],
        _T.RULE: ["assertion"],
        _T.PREDICTION: ["assertion"],
        _T.INTENT: ["miscellaneous"],
        _T.DEMAND: ["request", "recommendation"],
        _T.EVALUATION: ["expression"],
        NONE: ["question", "miscellaneous"],
    },
    "debatenet": {_T.INTENT: ["claim"], _T.DEMAND: ["claim"]},
    "newsdiscourse": {
        _T.EVENT: ["main", "previous", "current"],
        _T.CAUSE: ["consequence"],
        _T.RULE: ["current context"],
        _T.PREDICTION: ["expectation"],
        _T.INTENT: ["expectation"],
        _T.DEMAND: ["evaluation", "expectation"],
        _T.EVALUATION: ["evaluation"],
    },
    "fnc1_arastance_unifiedfc": {
        _S.AGREE: ["agree"],
        _S.DISAGREE: ["disagree"],
        _S.DISCUSS: ["discuss"],
        _S.UNRELATED: ["unrelated"],
    },
    "ans": {
        _S.AGREE: ["agree"],
        _S.DISAGREE: ["disagree"],
        _S.DISCUSS: ["other"],
        _S.UNRELATED: ["other"],
    },
    "mawqif": {
        _S.AGREE: ["favor"],
        _S.DISAGREE: ["against"],
        _S.DISCUSS: ["none"],
        _S.UNRELATED: ["none"],
    },
    "newsclaims": {_S.AGREE: ["affirm"], _S.DISAGREE: ["refute"]},
}
"""Ours to other schemes' labels (many to one, the first is the best match); shown by /v1/labels."""
