import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = PROJECT["services"]
OURS = ("edge_detector", "dispatcher", "ingress", "notifier")
JOBS = ("prepare", "demo-clip", "topics", "migrate-archive", "migrate-ledger", "logins")
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_every_package_of_services_is_a_service_with_an_image_of_its_name() -> None:
    packages = {folder.name for folder in (ROOT / "services").iterdir() if folder.is_dir()}

    assert packages == set(OURS)
    for name in OURS:
        assert SERVICES[name]["image"] == f"maskwatch/{name}"
        assert SERVICES[name]["build"]["dockerfile"] == f"services/{name}/Dockerfile"


@each_service
def test_published_ports_are_for_this_machine_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:"), port


@each_service
def test_a_container_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["CHOWN"] if name == "prepare" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service.get("read_only", False) is (name != "kafka")
    assert not service.get("privileged", False)


@each_service
def test_an_image_from_elsewhere_is_pinned(name: str) -> None:
    image = SERVICES[name]["image"]

    assert image.startswith("maskwatch/") or image in {
        "apache/kafka:4.1.1",
        "postgres:17-bookworm",
        "axllent/mailpit:v1.27",
    }


@each_service
def test_a_password_stands_in_a_file_and_never_in_the_environment(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if "PASSWORD" in variable or "SECRET" in variable:
            assert variable.endswith("_FILE"), variable
            assert value.startswith("/run/secrets/"), value


@each_service
def test_only_the_owners_jobs_see_the_owners_password(name: str) -> None:
    volumes = SERVICES[name].get("volumes", [])
    sees = any(volume.startswith("owner-secret:") for volume in volumes)

    assert sees is (name in {"prepare", "postgres", "migrate-archive", "migrate-ledger", "logins"})


@each_service
def test_jobs_run_once_and_everything_else_comes_back(name: str) -> None:
    assert SERVICES[name]["restart"] == ("no" if name in JOBS else "unless-stopped")


@pytest.mark.parametrize("name", OURS)
def test_our_images_run_as_a_fixed_user_and_have_a_health_check(name: str) -> None:
    dockerfile = (ROOT / "services" / name / "Dockerfile").read_text()
    last_stage = dockerfile[dockerfile.index(f"AS {name}\n") :].partition("\nFROM ")[0]

    assert dockerfile.startswith("#")
    assert "\nFROM python:3.11-slim-bookworm AS build\n" in dockerfile
    assert "\nUSER 10001:10001\n" in last_stage
    assert 'CMD ["python", "-m", "maskwatch_runtime.probe"]' in last_stage
    assert "--require-hashes --requirement" in dockerfile


@pytest.mark.parametrize("file", ["docker-compose.yml", "deploy/compose/gateway.yml"])
def test_every_variable_of_the_environment_is_told(file: str) -> None:
    told = (ROOT / "deploy/compose/README.md").read_text()
    told += (ROOT / "deploy/compose/gateway.yml").read_text().partition("services:")[0]

    variables = set(re.findall(r"\$\{(\w+)", (ROOT / file).read_text()))

    assert variables
    assert {variable for variable in variables if variable not in told} == set()
