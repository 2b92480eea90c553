"""Recipes: labels of public sets become what they say of ours, and a wrong recipe says where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.outcome import CATEGORIES
from models.recipe import STARTER_RECIPE, RecipeError, read_public, read_recipe, same


def written(folder: Path, recipe: str, **sets: str) -> tuple[Path, Path]:
    for name, rows in sets.items():
        (folder / name).mkdir()
        (folder / name / "train.tsv").write_text(rows, encoding="utf-8")
    path = folder / "recipe.toml"
    path.write_text(recipe, encoding="utf-8")
    return folder, path


REVIEWS = """
[[set]]
name = "reviews"
licence = "MIT"
language = "en"
skip = { half = ["test"] }
sentiment = { bad = ["negative"] }
category = { bad = ["complaint", "request"], good = { not = ["complaint"] } }
"""


def test_a_label_leaves_the_named_answers_possible_or_all_but_the_named(tmp_path: Path) -> None:
    data, recipe = written(
        tmp_path,
        REVIEWS,
        reviews="text\tlabel\thalf\nbroken\tbad\t\nlovely\tgood\t\nleft out\tbad\ttest\n?\tunsure\t\n",
    )
    broken, lovely = read_public(data, recipe).rows
    assert [name for name, may in zip(CATEGORIES, broken.category, strict=True) if may] == ["complaint", "request"]
    assert broken.sentiment == (True, False, False)
    assert [name for name, may in zip(CATEGORIES, lovely.category, strict=True) if not may] == ["complaint"]
    assert all(lovely.sentiment)


def test_a_row_with_several_labels_may_be_either(tmp_path: Path) -> None:
    data, recipe = written(
        tmp_path,
        '[[set]]\nname = "f"\nlicence = "MIT"\nlanguage = "en"\ncategory = { bug = ["complaint"], ask = ["request"] }\n',
        f="text\tlabel\nboth\tbug,ask\n",
    )
    assert [n for n, may in zip(CATEGORIES, read_public(data, recipe).rows[0].category, strict=True) if may] == [
        "complaint",
        "request",
    ]


def test_rows_are_drawn_by_language_and_always_the_same(tmp_path: Path) -> None:
    rows = "text\tlabel\tlang\n" + "".join(f"post {n}\tbad\t{('deu', 'pol', 'xx')[n % 3]}\n" for n in range(60))
    data, recipe = written(
        tmp_path,
        '[[set]]\nname = "t"\nlicence = "MIT"\nlanguages = { deu = "de", pol = "pl" }\nat_most = 5\n'
        'sentiment = { bad = ["negative"] }\n',
        t=rows,
    )
    drawn = [(row.language, row.text) for row in read_public(data, recipe).rows]
    assert [language for language, _ in drawn] == ["de"] * 5 + ["pl"] * 5
    assert drawn == [(row.language, row.text) for row in read_public(data, recipe).rows]


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    data, recipe = written(tmp_path, REVIEWS)
    found = read_public(data, recipe)
    assert found.missing == ("reviews",)
    assert not found.rows
    assert read_public(None, recipe).missing == ("reviews",)


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        ("[[set]\n", "not TOML"),
        ('[[set]]\nname = "a"\nlanguage = "en"\n', "'a': name and licence"),
        ('[[set]]\nname = "a"\nlicence = "MIT"\n', "'a': give either language"),
        ('[[set]]\nname = "a"\nlicence = "MIT"\nlanguage = "en"\nlables = "x"\n', "unknown key 'lables'"),
        ('[[set]]\nname = "a"\nlicence = "MIT"\nlanguage = "en"\nsentiment = { x = ["sad"] }\n', "label 'x'.*sad"),
    ],
)
def test_a_wrong_recipe_says_where(tmp_path: Path, recipe: str, named: str) -> None:
    data, path = written(tmp_path, recipe)
    with pytest.raises(RecipeError, match=named):
        read_public(data, path)


def test_a_missing_recipe_says_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="--recipe"):
        read_recipe(tmp_path / "none.toml")


def test_the_shipped_recipe_names_a_licence_for_each_set_and_takes_none_that_forbids_use() -> None:
    sets = read_recipe(STARTER_RECIPE)
    assert len(sets) > 10
    assert not [each.name for each in sets if not each.licence or "NC" in each.licence]


def test_the_shipped_recipe_reads_the_shared_sets(shared: Path) -> None:
    found = read_public(shared / "data")
    assert not found.missing
    assert {"en", "de", "tr", "pl", "es", "fr", "pt", "it"} <= {row.language for row in found.rows}


def test_copies_of_a_post_are_the_same_with_other_marks_links_and_handles() -> None:
    assert same("Łódź: @acme WHY?! https://t.co/x") == same("lodz @other why")
