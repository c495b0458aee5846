"""What the agent says to people: both languages say the same, and every reason has its words."""

import string

import pytest

from agent.words import SENTENCES, language_of, say, span
from classready.observation import Outcome, Reason


@pytest.mark.parametrize("code", SENTENCES)
def test_both_languages_name_the_same_values(code):
    chinese, english = (
        {field for _, field, _, _ in string.Formatter().parse(text) if field} for text in SENTENCES[code]
    )
    assert chinese == english
    assert all(SENTENCES[code])


def test_every_outcome_and_reason_has_words():
    assert {f"reason.{reason}" for reason in Reason} <= set(SENTENCES)
    assert {f"outcome.{outcome}" for outcome in Outcome} <= set(SENTENCES)


def test_a_reason_of_a_later_release_speaks_for_itself():
    assert say("zh", "reason.moonlight") == "moonlight"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LC_ALL": "", "LANG": "ZH_CN"}, "zh"),
    ],
)
def test_the_language_of_a_terminal(environment, language):
    assert language_of(environment) == language


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-3, "0 s"), (0.9, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (172_800, "2 d")],
)
def test_spans(seconds, told):
    assert span("en", seconds) == told
