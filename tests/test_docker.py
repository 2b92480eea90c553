"""The production layout, as far as it can be checked without an engine."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import config as settings
from tests import REPOSITORY
from tests.node import VERSION as ELASTICSEARCH

DOCKER = REPOSITORY / "docker"
COMPOSE = DOCKER / "compose.yaml"
ONCE = {"store-migrate", "keys", "admin", "airflow-migrate", "certificates"}  # end by themselves
OURS = {"pages", "store-migrate", "keys", "admin", "worker"}  # and everything of Airflow
NODES = ("es1", "es2", "es3")
# Options of the Celery provider, which only the image holds (docker/requirements.txt).
CELERY = {"broker_url", "result_backend", "worker_concurrency"}


class Strict(yaml.SafeLoader):
    """As compose reads YAML: a key that stands twice is an error."""


def _mapping(loader: Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    assert len(keys) == len(set(keys)), f"a key stands twice in line {node.start_mark.line + 1}"
    loader.flatten_mapping(node)
    return {loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value}  # fmt: skip


Strict.add_constructor("tag:yaml.org,2002:map", _mapping)


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.load(COMPOSE.read_text(encoding="utf-8"), Loader=Strict)


@pytest.fixture(scope="module")
def services(compose: Any) -> dict[str, Any]:
    return dict(compose["services"])


def environments(services: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            yield name, variable, str(value)


def locked(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE))


# --- compose --------------------------------------------------------------------------------------------------------

SERVICE_KEYS = {
    "image", "build", "restart", "init", "cap_drop", "cap_add", "security_opt", "logging", "environment", "networks",
    "secrets", "volumes", "depends_on", "healthcheck", "command", "user", "profiles", "read_only", "tmpfs", "ports",
    "stop_grace_period", "deploy", "ulimits", "shm_size", "network_mode",
}  # fmt: skip


def test_the_file_has_the_parts_that_compose_knows(compose: Any) -> None:
    assert {key for key in compose if not key.startswith("x-")} == {
        "name", "services", "networks", "volumes", "secrets"
    }  # fmt: skip
    for name, service in compose["services"].items():
        assert set(service) <= SERVICE_KEYS, name
        assert {"image", "healthcheck", "restart", "logging"} - set(service) <= {"logging"}, name
    for name, secret in compose["secrets"].items():
        assert secret == {"file": f"secrets/{name}"}


def test_all_that_a_service_names_is_there(compose: Any, services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        assert set(service.get("networks", ())) <= set(compose["networks"]), name
        assert set(service.get("depends_on", ())) <= set(services), name
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            if source.startswith("./"):
                assert source == "./secrets" or (DOCKER / source).exists(), f"{name}: {source}"
            elif not source.startswith("${"):
                assert source in compose["volumes"], f"{name}: {source}"
    used = {mount.partition(":")[0] for service in services.values() for mount in service.get("volumes", ())}
    assert set(compose["volumes"]) <= used
    assert set(compose["secrets"]) == {secret for service in services.values() for secret in service.get("secrets", ())}


def test_who_waits_waits_for_what_can_come_true(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in ONCE else "service_healthy"
            assert how == {"condition": wanted}, f"{name} waits for {needed}"


def test_every_lasting_part_has_a_health_check_and_starts_again(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name in ONCE:
            assert (service["restart"], service["healthcheck"]) == ("no", {"disable": True}), name
        else:
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name
            assert {"interval", "timeout", "retries"} <= set(service["healthcheck"]), name


def test_images_are_exact_and_never_the_latest(services: dict[str, Any]) -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for name, service in services.items():
        image, _, tag = service["image"].rpartition(":")
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?(-[a-z]+)?", tag), f"{name}: {service['image']}"
        if image == "tocsin":
            assert tag == version, name
        assert "$" not in service["image"], name
    assert [name for name, service in services.items() if "build" in service] == ["pages"]


def test_the_proxy_alone_has_ports_and_nothing_has_more_rights_than_it_needs(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    for name, service in services.items():
        assert "privileged" not in service, name
        assert service.get("network_mode", "none") == "none", name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert name == "postgres" or service["cap_drop"] == ["ALL"], name
        for mount in service.get("volumes", ()):
            assert "docker.sock" not in mount, name


def test_what_is_kept_and_who_reaches_outside_is_said_by_networks(compose: Any, services: dict[str, Any]) -> None:
    assert {name for name, network in compose["networks"].items() if not network.get("internal")} == {"outside"}
    assert {name for name, service in services.items() if "outside" in service.get("networks", ())} == {
        "proxy", "worker"
    }  # fmt: skip
    assert services["proxy"]["networks"] == ["front", "outside"]  # it meets no store


def test_every_tocsin_variable_is_known_and_names_a_secret_that_is_mounted(
    compose: Any, services: dict[str, Any]
) -> None:
    files = ("config/__init__.py", "app.py")
    source = "".join((REPOSITORY / "pipeline" / each).read_text(encoding="utf-8") for each in files)
    plain = {"TOCSIN_CONFIG", "TOCSIN_HOME", "TOCSIN_WEB_ADDRESS", "TOCSIN_HOST"}
    known = {"elasticsearch_api_key", "link_key", "x_bearer_token"}  # the names that config.secret is asked for
    assert all(f'"{name}"' in source for name in known)
    for name, variable, value in environments(services):
        if not variable.startswith("TOCSIN_") or variable in plain:
            continue
        asked = variable.removeprefix("TOCSIN_").removesuffix("_FILE").lower()
        assert variable.endswith("_FILE"), f"{name}: {variable} would show a secret"
        assert asked in known, f"{name}: {variable}"
        assert value == f"/run/secrets/{Path(value).name}"
        assert Path(value).name in services[name]["secrets"], f"{name}: {variable}"


@pytest.mark.airflow
@pytest.mark.xdist_group("airflow")
def test_every_airflow_variable_is_an_option_and_commands_stand_for_secrets_alone(services: dict[str, Any]) -> None:
    from airflow.configuration import conf, retrieve_configuration_description

    described = retrieve_configuration_description(include_providers=False)
    secret = {*conf.sensitive_config_values, ("celery", "broker_url"), ("celery", "result_backend")}
    for name, variable, value in environments(services):
        if not variable.startswith("AIRFLOW__"):
            continue
        section, option = variable.removeprefix("AIRFLOW__").lower().split("__")
        told = option.removesuffix("_cmd")
        options = CELERY if section == "celery" else described[section]["options"]
        assert told in options, f"{name}: {variable}"
        assert ((section, told) in secret) == (option != told), f"{name}: {variable}"
        if option != told:
            file = re.fullmatch(r"cat /run/secrets/(\w+)", value)
            assert file, value
            assert file[1] in services[name]["secrets"], f"{name}: {variable}"


def test_settings_in_the_example_are_those_that_are_asked_for() -> None:
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", COMPOSE.read_text(encoding="utf-8")))
    given = set(re.findall(r"^([A-Z_]+)=", (DOCKER / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert asked == given


def test_nodes_differ_in_their_names_and_data_alone_and_speak_tls_to_everybody(services: dict[str, Any]) -> None:
    first = services["es1"]
    for node in NODES:
        assert yaml.safe_dump(services[node]) == yaml.safe_dump(first).replace("es1", node).replace(
            f"{node},es2,es3", "es1,es2,es3"
        )
        environment = services[node]["environment"]
        for layer in ("http", "transport"):
            assert environment[f"xpack.security.{layer}.ssl.enabled"] == "true"
        assert environment["xpack.security.enabled"] == "true"
        assert environment["discovery.seed_hosts"] == environment["cluster.initial_master_nodes"] == ",".join(NODES)


# --- pins -----------------------------------------------------------------------------------------------------------


def test_elasticsearch_is_the_one_that_is_tested_and_of_the_clients_major(services: dict[str, Any]) -> None:
    tags = {service["image"].rpartition(":")[2] for service in services.values() if "elasticsearch" in service["image"]}
    assert tags == {ELASTICSEARCH}
    client = locked(REPOSITORY / "requirements.txt")["elasticsearch"]
    assert client.partition(".")[0] == ELASTICSEARCH.partition(".")[0]


def test_packages_of_the_image_are_those_of_the_product(services: dict[str, Any]) -> None:
    product, image = locked(REPOSITORY / "requirements.txt"), locked(DOCKER / "requirements.txt")
    assert image["apache-airflow"] == product["apache-airflow"]
    differing = {name for name in product.keys() & image.keys() if product[name] != image[name]}
    assert differing == set(), "run `make lock`"
    for wanted in re.findall(r"^[a-z0-9-]+", (DOCKER / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE):
        assert wanted in image
    lines = (DOCKER / "requirements.txt").read_text(encoding="utf-8")
    assert lines.count("--hash=sha256:") > len(image)
    assert tuple(map(int, image["celery"].split(".")))[:2] < (5, 7)


def test_the_image_is_exact_runs_as_nobody_special_and_has_the_python_of_the_lock() -> None:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM (\S+) AS (\S+)", text, re.MULTILINE)
    assert [name for _, name in stages] == ["base", "packages", "tocsin"]
    base = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-bookworm", stages[0][0])
    assert base
    assert f"--python-version {base[1]} " in (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert {image for image, _ in stages[1:]} == {"base"}
    assert re.search(r"^USER tocsin:tocsin$", text, re.MULTILINE)
    assert text.index("USER tocsin") < text.index("HEALTHCHECK") < text.index("CMD [\"uvicorn\"")  # fmt: skip
    assert text.count("--require-hashes") == 2
    assert "ADD " not in text
    for source in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for each in source.split()[:-1]:
            assert (REPOSITORY / each).exists(), each


def test_the_image_holds_what_is_listed_and_nothing_of_this_machine() -> None:
    lines = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = {
        each
        for source in re.findall(r"^COPY (?!--from)(.+)$", (DOCKER / "Dockerfile").read_text(encoding="utf-8"), re.M)
        for each in source.split()[:-1]
    }
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied


# --- what belongs to an installation --------------------------------------------------------------------------------


def test_the_sample_configuration_is_valid_and_needs_the_secrets_that_are_mounted(services: dict[str, Any]) -> None:
    config = settings.load(DOCKER / "tocsin.toml")
    assert config.store == "elasticsearch:" + ",".join(f"https://{node}:9200" for node in NODES)
    needed = {f"TOCSIN_{name.upper()}_FILE" for name in settings.secrets_needed(config)}
    assert needed <= set(services["worker"]["environment"])
    assert str(config.elasticsearch.ca).startswith("/run/certificates/")
    for name in ("worker", "pages", "store-migrate", "admin"):
        assert "certificates:/run/certificates:ro" in services[name]["volumes"]


def test_the_proxy_asks_for_a_password_and_knows_the_services_it_passes_on_to(services: dict[str, Any]) -> None:
    text = (DOCKER / "proxy" / "Caddyfile").read_text(encoding="utf-8")
    assert set(re.findall(r"reverse_proxy (\S+):", text)) == {"pages", "airflow-api"}
    assert set(re.findall(r"\{\$(\w+)\}", text)) == set(services["proxy"]["environment"])
    door = text[text.index("(door)") :]
    assert "import /run/secrets/people" in door
    sites = re.findall(r"^\{\$\w+\} \{\n\timport door$", text, re.MULTILINE)
    assert len(sites) == 2


def test_first_secrets_are_random_files_for_their_readers_alone_and_are_never_changed(tmp_path: Path) -> None:
    script = shutil.copy(DOCKER / "first-secrets.sh", tmp_path)
    subprocess.run(["bash", script], check=True, capture_output=True)
    made = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["secrets"])
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.values()} == {0o600}
    before = {name: path.read_text() for name, path in made.items()}
    empty = {name for name, text in before.items() if not text}
    assert empty == {"elasticsearch_triage", "elasticsearch_pages", "elasticsearch_admin", "people", "x_bearer_token"}
    assert len({text for text in before.values() if text}) == len(made) - len(empty)
    assert len(before["airflow_jwt_secret"]) >= 64
    from cryptography.fernet import Fernet

    Fernet(before["airflow_fernet_key"])
    assert f":{before['postgres_password']}@postgres/" in before["airflow_database"]
    for name in ("airflow_database", "airflow_results"):  # without a driver's name SQLAlchemy takes one we do not have
        assert "postgresql+psycopg2://" in before[name]
    (tmp_path / "secrets" / "people").write_text("ana hash")
    subprocess.run(["bash", script], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in made.values()} == {**before, "people": "ana hash"}


def test_secrets_and_settings_of_an_installation_are_not_committed() -> None:
    ignored = (DOCKER / ".gitignore").read_text(encoding="utf-8").split("\n")
    assert {".env", "secrets/"} <= set(ignored)


def test_scripts_are_sound_bash_and_can_be_run() -> None:
    for script in (DOCKER / "first-secrets.sh", DOCKER / "elasticsearch" / "certificates.sh"):
        subprocess.run(["bash", "-n", str(script)], check=True)
        assert os.access(script, os.X_OK)
        assert "set -euo pipefail" in script.read_text(encoding="utf-8")


def test_every_role_has_least_privileges_over_tocsins_own_indices() -> None:
    import json

    from pipeline.stores.elastic.indices import NOUNS

    roles = json.loads((DOCKER / "elasticsearch" / "roles.json").read_text(encoding="utf-8"))
    assert list(roles) == ["collect", "triage", "pages", "admin"]
    for role, given in roles.items():
        names = [name for grant in given["indices"] for name in grant["names"]]
        assert len(names) == len(set(names)), role
        assert all(name == "tocsin-*" or name in {f"tocsin-{noun}*" for noun in NOUNS} for name in names), role
        if role != "admin":
            assert "tocsin-*" not in names
            assert set(given.get("cluster", ())) <= {"monitor"}
    covered = {name for grant in roles["triage"]["indices"] for name in grant["names"]}
    assert covered == {f"tocsin-{noun}*" for noun in NOUNS}


def test_what_the_operations_page_tells_to_type_is_there(services: dict[str, Any]) -> None:
    from pipeline.cli import COMMANDS, store

    text = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    commands = {name for section in COMMANDS.values() for name in section}
    known = {
        command.name or command.callback.__name__ for command in store.group.registered_commands if command.callback
    }
    assert set(re.findall(r"\btocsin ([a-z]+)\b(?! store)", re.sub(r"`tocsin`", "", text))) - {"store"} <= commands
    assert set(re.findall(r"tocsin store ([a-z]+)", text)) == known - {"init"}
    for line in re.findall(r"docker compose (?:up|run|stop|build)[^\n`)]*", text):
        words = line.partition("#")[0].split()[3:]
        named = [word for word in words if word in services]
        assert named or words == ["--detach"], line
