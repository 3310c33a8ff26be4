"""The metrics of OpenAI's `text_similarity` graders, all from 0 to 1.

They are computed in a lane because their input is hostile: some take time or memory that grows with
the square of it. Each library is imported only for its own metrics.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping

_WORD = re.compile(r"\w+")

LIBRARIES: Mapping[str, str] = {
    "fuzzy_match": "rapidfuzz.fuzz",
    "bleu": "sacrebleu.metrics",
    "gleu": "nltk.translate.gleu_score",
    "meteor": "nltk.translate.meteor_score",
    **dict.fromkeys(
        ("rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l"),
        "rouge_score.rouge_scorer",
    ),
}
"""What each metric imports; `cosine` needs nothing."""


def similarity(metric: str, text: str, reference: str) -> float:
    """How close `text` is to `reference`: 0 is nothing in common, 1 is the same."""
    # Some metrics give less to texts that are shorter than what they count.
    return 1.0 if text == reference else _METRICS[metric](text, reference)


def _fuzzy_match(text: str, reference: str) -> float:
    from rapidfuzz import fuzz  # noqa: PLC0415

    return fuzz.ratio(text, reference) / 100


def _bleu(text: str, reference: str) -> float:
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415

    return min(1.0, BLEU(effective_order=True).sentence_score(text, [reference]).score / 100)


def _gleu(text: str, reference: str) -> float:
    from nltk.translate.gleu_score import sentence_gleu  # noqa: PLC0415

    return float(sentence_gleu([_words(reference)], _words(text)))


def _meteor(text: str, reference: str) -> float:
    """METEOR without synonyms: matches are equal words and equal stems."""
    from nltk.translate.meteor_score import meteor_score  # noqa: PLC0415

    return float(meteor_score([_words(reference)], _words(text), wordnet=_NoSynonyms()))


class _NoSynonyms:
    """Stands where METEOR looks for WordNet, which is a download and not a package."""

    def synsets(self, _: str) -> list[object]:
        return []


def _cosine(text: str, reference: str) -> float:
    """Of the word counts."""
    one, other = Counter(_words(text)), Counter(_words(reference))
    if not one or not other:
        return 0.0
    dot = sum(count * other[word] for word, count in one.items())
    lengths = (sum(count * count for count in words.values()) for words in (one, other))
    return min(1.0, dot / math.sqrt(math.prod(lengths)))


def _rouge(kind: str) -> Callable[[str, str], float]:
    def score(text: str, reference: str) -> float:
        from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415

        return float(RougeScorer([kind]).score(reference, text)[kind].fmeasure)

    return score


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


_METRICS: Mapping[str, Callable[[str, str], float]] = {
    "fuzzy_match": _fuzzy_match,
    "bleu": _bleu,
    "gleu": _gleu,
    "meteor": _meteor,
    "cosine": _cosine,
    **{f"rouge_{n}": _rouge(f"rouge{n}") for n in range(1, 6)},
    "rouge_l": _rouge("rougeL"),
}
