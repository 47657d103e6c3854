"""What may have been meant by a word: pure."""

from weyl.kit.likeness import WORD_MAX, most_like


def test_the_closest_come_first_and_of_long_words_none() -> None:
    assert most_like("Statsu", ["State", "Status", "Site"], n=2) == ["Status", "State"]
    assert most_like("Statsu", ["Owner"]) == []
    longest = "a" * WORD_MAX
    assert most_like(longest, [longest, longest + "a"], n=2) == [longest]
    assert most_like(longest + "a", [longest]) == []
