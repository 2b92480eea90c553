"""What each raw record becomes, and that reading one changes nothing and asks nobody."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from tests.golden.golden import FOLDER, cases, said_of, source_of

CASES = [
    pytest.param(path.stem, case, id=f"{path.stem}: {case['case']}")
    for path in sorted(Path(FOLDER).glob("*.json"))
    for case in cases(path.stem)
]


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_a_raw_record_becomes_this_mention(kind: str, case: dict[str, object]) -> None:
    expected = {key: case[key] for key in ("mention", "refused") if key in case}
    assert said_of(source_of(kind), case["raw"]) == expected


@pytest.mark.disable_socket
@pytest.mark.parametrize(("kind", "case"), CASES)
def test_reading_a_record_changes_nothing_and_says_the_same_again(kind: str, case: dict[str, object]) -> None:
    source, raw = source_of(kind), copy.deepcopy(case["raw"])
    first = said_of(source, raw)
    assert raw == case["raw"]
    assert said_of(source, raw) == first
