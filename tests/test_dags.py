"""The DAGs: they load fast, obey one policy, tell people what to do, and really run."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline import errors
from tests import REPOSITORY
from tests.cli_world import write_config, write_posts

pytestmark = pytest.mark.airflow

FOLDER = REPOSITORY / "dags"
FILES = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_"))
HEAVY = {"sklearn", "scipy", "numpy", "tweepy", "elasticsearch", "pydantic", "fastapi", "models"}


def python(code: str, *arguments: str | Path, home: Path, environ: Mapping[str, str] | None = None) -> str:
    """Run a program as Airflow's own processes would: a process of its own, a home of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "PYTHONPATH": str(REPOSITORY),
            **(environ or {}),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


DESCRIBE = """
import json, os, sys
import airflow.sdk
before = {name.partition(".")[0] for name in sys.modules}
import dags.keep, dags.learn, dags.listen, dags.watch
loaded = sorted(name for name in sys.modules if name.partition(".")[0] not in before)
from airflow.dag_processing.dagbag import DagBag
policy = lambda task: [[rule.exception, rule.action.value] for rule in task.retry_policy.rules]
bag_of = lambda bag: {
    "errors": {str(path): error for path, error in bag.import_errors.items()},
    "dags": {name: {
        "doc": dag.doc_md,
        "catchup": dag.catchup,
        "runs": dag.max_active_runs,
        "schedule": getattr(dag.timetable, "expression", getattr(dag.timetable, "_expression", None)),
        "tasks": {task.task_id: {
            "retries": task.retries,
            "delay": task.retry_delay.total_seconds(),
            "limit": task.execution_timeout and task.execution_timeout.total_seconds(),
            "policy": policy(task),
            "default": task.retry_policy.default.value,
            "trigger": task.trigger_rule.value,
            "after": sorted(task.upstream_task_ids),
        } for task in dag.tasks},
    } for name, dag in bag.dags.items()},
}
bags = []
for os.environ["TOCSIN_CONFIG"] in sys.argv[1:]:
    bags.append(bag_of(DagBag(dag_folder="dags")))
print(json.dumps({"loaded": loaded, "bags": bags}))
"""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What Airflow sees of the DAGs with the sample configuration and with a broken one; Airflow is imported once."""
    folder = tmp_path_factory.mktemp("bag")
    broken = folder / "tocsin.toml"
    broken.write_text("[schedule\n", encoding="utf-8")
    return json.loads(python(DESCRIBE, REPOSITORY / "tocsin.toml", broken, home=folder).splitlines()[-1])


@pytest.fixture(scope="module")
def bag(described: Any) -> Any:
    """All DAGs as Airflow sees them with the sample configuration."""
    return described["bags"][0]


def test_every_dag_file_imports(bag: Any) -> None:
    assert bag["errors"] == {}
    assert set(bag["dags"]) == {path.stem for path in FILES}


def test_parsing_loads_nothing_heavy_and_of_the_product_only_its_errors(described: Any) -> None:
    loaded = described["loaded"]
    assert "dags.listen" in loaded
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    assert {name for name in loaded if name.startswith("pipeline")} <= {"pipeline", "pipeline.errors"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_product_is_imported_inside_task_bodies_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    assert not [module for module in modules if module.partition(".")[0] in {"pipeline", "models"}]


def test_every_task_obeys_the_one_policy(bag: Any) -> None:
    tasks = {f"{dag}.{name}": task for dag, content in bag["dags"].items() for name, task in content["tasks"].items()}
    assert len(tasks) >= 4
    for name, task in tasks.items():
        assert [rule for rule, _ in task["policy"]] == [
            "pipeline.errors.Transient",
            "pipeline.errors.Conflict",
            "pipeline.errors.Permanent",
        ], name
        assert task["default"] == "fail", name
        assert task["retries"] >= 1, name
        assert task["delay"] <= 60, f"{name}: one run at a time, so a retry that waits holds up every later run"
        assert task["limit"], f"{name}: a task that hangs would hold up every later run"


def test_no_run_overlaps_another_and_none_is_caught_up(bag: Any) -> None:
    assert {(dag["runs"], dag["catchup"]) for dag in bag["dags"].values()} == {(1, False)}


def test_every_dag_says_what_to_do_about_each_task_that_is_red(bag: Any) -> None:
    for name, dag in bag["dags"].items():
        advice = dag["doc"].partition("## If it is red")[2]
        for task in dag["tasks"]:
            assert f"**{task}**" in advice, f"{name}: nothing about {task}"


def test_triage_runs_whatever_became_of_the_sources(bag: Any) -> None:
    triage = bag["dags"]["listen"]["tasks"]["triage"]
    assert (triage["trigger"], triage["after"]) == ("all_done", ["collect"])


def test_schedules_and_sources_come_from_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dags import _policy

    config = write_config(tmp_path, more='[schedule]\nlisten = "*/17 * * * *"\n')
    monkeypatch.setenv("TOCSIN_CONFIG", str(config))
    assert _policy.schedule("listen", "*/5 * * * *") == "*/17 * * * *"
    assert _policy.schedule("watch", "* * * * *") == "* * * * *"
    assert _policy.sources() == ["file"]


@pytest.mark.parametrize(
    "text", ['schedule = "x"\nsource = 5\n', "schedule = [1]\n[source]\nname = 'x'\n", "[schedule]\nlisten = 5\n"]
)
def test_settings_of_the_wrong_kind_leave_the_dags_their_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    from dags import _policy

    config = tmp_path / "tocsin.toml"
    config.write_text(text, encoding="utf-8")
    monkeypatch.setenv("TOCSIN_CONFIG", str(config))
    assert _policy.schedule("listen", "*/5 * * * *") == "*/5 * * * *"
    assert _policy.sources() == []


def test_a_broken_configuration_leaves_the_dags_visible(described: Any) -> None:
    broken = described["bags"][1]
    assert broken["errors"] == {}
    assert broken["dags"]["listen"]["schedule"] == "*/5 * * * *"


@pytest.mark.parametrize(
    ("raised", "action"),
    [
        (errors.RateLimited("x: 429"), "retry"),
        (errors.SourceUnavailable("x: 503"), "retry"),
        (errors.StoreUnavailable("busy"), "retry"),
        (errors.Conflict("somebody was faster"), "retry"),
        (errors.SourceRefused("x: 401"), "fail"),
        (errors.SecretMissing("x_bearer_token"), "fail"),
        (errors.StoreRefused("disk full"), "fail"),
        (errors.ModelRefused("no model"), "fail"),
        (ValueError("a bug"), "fail"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_an_error_of_ours_says_whether_trying_again_helps(raised: BaseException, action: str) -> None:
    from dags._policy import RETRY_POLICY

    assert RETRY_POLICY.evaluate(raised, 1, 3).action.value == action


RUN = """
import json
from airflow.utils.db import upgradedb
upgradedb()
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder="dags")
told = {}
for name in ("listen", "watch", "keep"):
    run = bag.dags[name].test()
    told[name] = {f"{task.task_id}": str(task.state) for task in run.get_task_instances()}
print("told", json.dumps(told))
"""


def test_all_dags_really_run_from_a_file_to_an_incident(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from pipeline.app import assemble

    soon = datetime.now(UTC) - timedelta(minutes=5)
    write_posts(
        tmp_path / "posts.jsonl",
        [
            {"id": "1", "author": "ana", "text": "does brightly ship to Lodz?", "created_at": soon.isoformat()},
            {
                "id": "2",
                "author": "ben",
                "text": "the brightly charging base caught fire last night, my son burned his hand",
                "created_at": soon.isoformat(),
            },
        ],
    )
    config = write_config(tmp_path)
    printed = python(RUN, home=tmp_path, environ={"TOCSIN_CONFIG": str(config)})
    told = json.loads(next(line for line in printed.splitlines() if line.startswith("told ")).removeprefix("told "))
    assert {state for tasks in told.values() for state in tasks.values()} == {"success"}
    store = assemble(config).store
    assert store.mention("file:1") is not None
    assert [set(incident.mentions) for incident in store.open_incidents()] == [{"file:2"}]


def test_what_would_be_forgotten_is_told_before_it_is(bag: Any) -> None:
    assert bag["dags"]["keep"]["tasks"]["forget"]["after"] == ["look"]
    assert bag["dags"]["keep"]["tasks"]["forget"]["trigger"] == "all_success"


LEARN = """
import json
from airflow.utils.db import upgradedb
upgradedb()
from airflow.dag_processing.dagbag import DagBag
run = DagBag(dag_folder="dags").dags["learn"].test(mark_success_pattern="approve")
print("told", json.dumps({task.task_id: str(task.state) for task in run.get_task_instances()}))
"""


def told_of(printed: str) -> dict[str, str]:
    told: dict[str, str] = json.loads(
        next(line for line in printed.splitlines() if line.startswith("told ")).removeprefix("told ")
    )
    return told


def test_labels_really_become_a_live_model_once_a_person_approves(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from pipeline.app import assemble, models_of
    from pipeline.domain import Head
    from pipeline.flows import listen
    from pipeline.lessons import correct

    write_posts(tmp_path / "posts.jsonl")
    config = write_config(tmp_path)
    nothing = told_of(python(LEARN, home=tmp_path, environ={"TOCSIN_CONFIG": str(config)}))
    assert (nothing["labels"], nothing["train"], nothing["promote"]) == ("success", "skipped", "skipped")
    tocsin = assemble(config)
    listen(tocsin)
    correct(tocsin.store, tocsin.config, "file:3", {Head.CATEGORY: "request"}, who="Ana", now=datetime.now(UTC))
    done = told_of(python(LEARN, home=tmp_path, environ={"TOCSIN_CONFIG": str(config)}))
    assert set(done.values()) == {"success"}
    models = models_of(tocsin.config)
    assert models.live().startswith("own-")
    assert [each.why for each in models.promotions()] == ["approved in Airflow"]
    assert models.shadow(models.live()) is not None
    assert tocsin.classifier().version == models.live()


def test_nothing_is_made_live_before_a_person_approves(bag: Any) -> None:
    tasks = bag["dags"]["learn"]["tasks"]
    assert "approve" in tasks["promote"]["after"]
    assert tasks["approve"]["after"] == ["propose"]
    assert tasks["approve"]["retries"] == 3
    assert {task["trigger"] for task in tasks.values()} == {"all_success"}
