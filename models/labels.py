"""The label scheme qawl-1: every label name, its definition and what follows from it.

This is the one place where a label is spelled (models/mappings.py has other schemes' names for them); the
annotation guideline is its source. Voice and stance are fixed by the scheme; the claim types are data of a
bundle, so a bundle may carry its own list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
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
    """One label as people read it; `definition_ar` is empty where a run's own type has none."""

    id: str
    arabic: str
    english: str
    definition: str
    example: str
    definition_ar: str = ""

    @classmethod
    def from_json(cls, data: dict[str, str]) -> Label:
        """Read a label of bundle.json; one of qawl-1 that was saved without its Arabic definition gets it."""
        label = cls(**data)
        known = next((one for one in SCHEME.labels() if one.id == label.id), None)
        if known and label == replace(known, definition_ar=""):
            return known
        return label


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

    def labels(self) -> tuple[Label, ...]:
        """Every label of every head."""
        return (*self.types, self.none, *self.voices, *self.stances)

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
                data[head] = tuple(Label.from_json(label) for label in data[head])
            data["none"] = Label.from_json(data["none"])
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
        "فعل أو حدث أو حال أو هوية أو صفة بعينها، تُعرض على أنها وقعت أو قائمة الآن أو حدثت للتو؛ ونفي الواقعة واقعة.",
    ),
    Label(
        ClaimType.QUANTITY,
        "كمّية",
        "Quantity",
        "The truth of the claim turns on a number, measure, share, rate, count, comparison of amounts, or rank.",
        "بلغت نسبة البطالة أربعة عشر في المئة في الربع الثالث.",
        "يتوقف صدق الادّعاء على عدد أو مقدار أو حصة أو نسبة أو إحصاء أو مقارنة كميات أو مرتبة: إن حُذف العدد ضاع الخبر.",
    ),
    Label(
        ClaimType.CAUSE,
        "سببية",
        "Cause",
        "Asserts that one thing brings about, enables, prevents, hinders, explains or correlates with another, "
        "or that no such link exists.",
        "أدى نقص الوقود إلى توقف مخابز الحي عن العمل.",
        "يقرّر أن أمرا يُحدث أمرا آخر أو يتيحه أو يمنعه أو يعرقله أو يفسّره أو يتلازم معه، "
        "أو ينفي أن تكون بينهما صلة كهذه؛ ومجرّد التعاقب ليس سببا.",
    ),
    Label(
        ClaimType.RULE,
        "قاعدة",
        "Rule",
        "States the content of a law, treaty, agreement, official decision, procedure, right or lawfulness, "
        "as in force or adopted.",
        "ينص القانون الجديد على منح المستأجر مهلة ستة أشهر قبل الإخلاء.",
        "يذكر مضمون قانون أو معاهدة أو اتفاق أو قرار رسمي أو إجراء أو حق، أو مشروعية أمر، على أنه نافذ أو معتمد.",
    ),
    Label(
        ClaimType.PREDICTION,
        "توقّع",
        "Prediction",
        "Says what will or would happen outside the claimer's sole control; schedules in the paper's voice; "
        "conditionals about the future.",
        "ستشهد المحافظات الساحلية أمطارا غزيرة مساء الغد.",
        "يقول ما سيحدث، أو ما يُتوقّع أن يحدث، مما ليس في يد القائل وحده؛ "
        "ومنه مواعيد الأحداث المقبلة بصوت الصحيفة، والجمل الشرطية عن المستقبل.",
    ),
    Label(
        ClaimType.INTENT,
        "نيّة/تعهّد",
        "Intent",
        "The claimer commits, offers, plans, decides, declares readiness, support or the aim of its own action.",
        "أعلنت الوزارة أنها ستعيد فتح المستشفى مطلع الشهر المقبل.",
        "تعهّد أو عرض أو خطة أو قرار بفعل لاحق أو إبداء استعداد أو دعم أو بيان هدف، "
        "من صاحب الفعل أو المتحدث باسمه، أو كما ترويه الصحيفة صراحة.",
    ),
    Label(
        ClaimType.DEMAND,
        "مطالبة",
        "Demand",
        "Says what someone should, must or needs to do or stop; calls, urges, conditions.",
        "طالبت النقابة الحكومة بصرف الرواتب المتأخرة.",
        "يقول ما يجب على أحد أو ينبغي له أو يلزمه أن يفعله أو يكفّ عنه؛ ومنه الدعوة والحثّ والطلب والاشتراط.",
    ),
    Label(
        ClaimType.EVALUATION,
        "تقييم",
        "Evaluation",
        "Judgement, interpretation, significance, blame or praise, thanks, hope, fear, condemnation; "
        "a motive or message ascribed to another.",
        "وصف المحلل القرار بأنه خطأ فادح.",
        "حكم أو تفسير أو بيان أهمية أو لوم أو مدح أو شكر أو أمل أو خوف أو إدانة؛ ومنه نسبة دافع أو رسالة إلى طرف آخر.",
    ),
)
_NONE = Label(
    NONE,
    "بلا ادّعاء",
    "No claim",
    "Nothing is claimed: a question, section label, byline, greeting or bare title.",
    "هل تصمد الهدنة هذه المرة؟",
    "لا يُدّعى فيها شيء: سؤال أو اسم باب أو توقيع كاتب أو تحية أو عنوان مجرّد.",
)
_VOICES = (
    Label(
        Voice.AUTHOR,
        "صوت الكاتب",
        "Author",
        "No claim of the sentence is presented as said, thought or decreed by a source other than the paper.",
        "من المتوقع أن تصل أول شحنة قمح إلى الميناء نهاية الأسبوع.",
        "لا يُعرض شيء من ادّعاءات الجملة على أنه مما قاله مصدر غير الصحيفة أو رآه أو أمر به؛ "
        "وما بُني للمجهول بلا قائل، مثل «من المتوقع»، صوت الكاتب.",
    ),
    Label(
        Voice.ATTRIBUTED,
        "منسوب",
        "Attributed",
        "Every claim is presented as said, written, thought, known or decreed by a source other than the paper.",
        "أعرب السفير عن امتنانه لموقف الدولة المضيفة.",
        "يُعرض كل ادّعاء في الجملة على أنه مما قاله مصدر غير الصحيفة أو كتبه أو رآه أو علمه أو أمر به، ولو لم يُسمَّ.",
    ),
    Label(
        Voice.MIXED,
        "مختلط",
        "Mixed",
        "At least one main or coordinate clause in the paper's own voice and one attributed to a source.",
        "زار الوزير المصنع أمس وتعهّد بدعم عماله.",
        "في الجملة عبارة رئيسة أو معطوفة واحدة على الأقل بصوت الصحيفة نفسها، وأخرى منسوبة إلى مصدر.",
    ),
)
_STANCES = (
    Label(
        Stance.AGREE,
        "يؤيّد",
        "Agrees",
        "The content asserts, presupposes or entails every essential part of the target.",
        "الهدف: «أغلقت السلطات المعبر» — «أغلقت السلطات المعبر الحدودي صباح الاثنين.»",
        "يقرّر المضمون كل جزء جوهري من الهدف، أو يفترضه، أو يستلزمه، أيا كان القائل؛ ومجرّد الاحتمال لا يكفي.",
    ),
    Label(
        Stance.DISAGREE,
        "يعارض",
        "Disagrees",
        "The content asserts, presupposes or entails that the target, or one essential part of it, is false.",
        "الهدف: «تسرّبت بيانات عملاء الشركة» — «نفت الشركة تسرّب بيانات عملائها.»",
        "يقرّر المضمون أن الهدف، أو جزءا جوهريا واحدا منه، غير صحيح، أو يفترض ذلك أو يستلزمه؛ ومنه نفي مصدر للهدف.",
    ),
    Label(
        Stance.DISCUSS,
        "يناقش",
        "Discusses",
        "About the target without deciding it: mentions it, asks, hedges, or supports only a part.",
        "الهدف: «ستصمد الهدنة» — «هل تصمد الهدنة هذه المرة؟»",
        "يتناول الهدف دون أن يحسمه: يذكره، أو يسأل عنه، أو يتحفّظ، أو ينقله بتشكيك، أو يؤيّد جزءا منه فقط.",
    ),
    Label(
        Stance.UNRELATED,
        "لا صلة له",
        "Unrelated",
        "Does not mention the target's object or event, nor a constitutive part of it.",
        "الهدف: «أغلقت السلطات المعبر» — «ستشهد المحافظات الساحلية أمطارا غزيرة مساء الغد.»",
        "لا يذكر موضوع الهدف أو حدثه ولا جزءا مكوّنا له؛ والاشتراك في الفاعل أو البلد أو الفعل وحده لا يكفي.",
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
