"""The ledger of facts is complete, sound and up to date."""

from __future__ import annotations

from collections import Counter

from tests.fidelity.ledger import LEVELS, PAGE, read_facts, read_witnesses, render


def test_facts_have_unique_ids() -> None:
    """No two places claim the same fact: the second would be a copy that can drift."""
    ids = Counter(fact.id for fact in read_facts())
    assert [fact_id for fact_id, count in ids.items() if count > 1] == []


def test_facts_have_known_levels() -> None:
    """Each fact says in one of four words how it is known."""
    assert [fact.id for fact in read_facts() if fact.level not in LEVELS] == []


def test_facts_and_witnesses_match() -> None:
    """No fact is without a witness, and no witness is for a fact that nobody states."""
    facts = {fact.id for fact in read_facts()}
    witnesses = set(read_witnesses())
    assert (sorted(facts - witnesses), sorted(witnesses - facts)) == ([], [])


def test_fidelity_page_is_up_to_date() -> None:
    """docs/fidelity.md is what `python -m tests.fidelity.ledger` would write now."""
    assert PAGE.read_text(encoding="utf-8") == render()
