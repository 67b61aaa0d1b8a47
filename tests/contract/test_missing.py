"""Words for missing values: as texts are compared with them, and never a word that a shop may mean."""

from __future__ import annotations

from pipeline.contract.missing import BLANKS, IN_LABELS, NO_NUMBERS, WORDS


def test_words_are_as_a_trimmed_text_in_lower_case_is() -> None:
    assert [word for word in WORDS if word != word.lower().strip(BLANKS) or not word] == []
    assert len(set(WORDS)) == len(WORDS)


def test_a_label_may_be_a_word_that_no_number_is() -> None:
    """North America, a department without a name, and a number that a shop writes as text."""
    assert {"\\n", "null", "nan", "none", "n/a"} < set(IN_LABELS) < set(WORDS)
    assert not {"na", "-", "?", "nil", "undefined", *NO_NUMBERS} & set(IN_LABELS)
