"""The files of `deploy/` and docker-compose.yml fit the service: settings, commands, ports, probes, references."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml  # type: ignore[import-untyped]

from app.cli import make_cli
from app.core.settings import Settings
from tests.support.openapi import DOCUMENT
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

KUBERNETES = ROOT / "deploy" / "kubernetes"
SERVICE, MIGRATE = KUBERNETES / "service", KUBERNETES / "migrate"
UNIT = (ROOT / "deploy" / "systemd" / "image-tagged-system.service").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
GUIDE = (ROOT / "docs" / "how-to" / "deploy-to-kubernetes.md").read_text()


def manifest(folder: Path, kind: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [yaml.safe_load(path.read_text()) for path in folder.glob("*.yaml")]
    return next(one for one in found if one["kind"] == kind)


def pod(folder: Path) -> dict[str, Any]:
    spec: dict[str, Any] = manifest(folder, "Job" if folder == MIGRATE else "Deployment")["spec"]["template"]["spec"]
    return spec


def settings_map() -> dict[str, str]:
    (generated,) = manifest(SERVICE, "Kustomization")["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generated["literals"])


def parsed(arguments: list[str]) -> dict[str, Any]:
    """Return the parameters of a command of the service. Raises click's errors."""
    command: Any = typer.main.get_command(make_cli(arguments))
    return dict(command.commands[arguments[0]].make_context(arguments[0], arguments[1:]).params)


@pytest.mark.parametrize("folder", [SERVICE, MIGRATE], ids=lambda folder: folder.name)
def test_the_kustomization_lists_each_file(folder: Path) -> None:
    listed = manifest(folder, "Kustomization")["resources"]
    assert sorted(listed) == sorted(path.name for path in folder.iterdir() if path.name != "kustomization.yaml")


@pytest.mark.parametrize("folder", [SERVICE, MIGRATE], ids=lambda folder: folder.name)
def test_the_pods_run_commands_of_the_service_as_the_user_of_the_image(folder: Path) -> None:
    (container,) = pod(folder)["containers"]
    parsed(container["args"])
    (image,) = manifest(folder, "Kustomization")["images"]
    assert container["image"] == image["name"]
    uid = re.search(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())
    assert uid
    assert pod(folder)["securityContext"]["runAsUser"] == int(uid[1])


def test_the_settings_exist_and_are_valid_in_production() -> None:
    given = settings_map()
    assert {name.lower() for name in given} <= Settings.model_fields.keys()
    secrets = set(re.findall(r"^ *([A-Z_]+)=", GUIDE, re.MULTILINE))
    assert {name.lower() for name in secrets} <= Settings.model_fields.keys()
    values = {name.lower(): value for name, value in given.items()}
    values |= {name.lower(): "s" * 40 for name in secrets if not name.endswith("URL")}
    values |= {"database_url": "postgresql://a@b/c", "mongo_url": "mongodb://a", "redis_url": "redis://a"}
    assert Settings(_env_file=None, **values).validation_errors() == []  # type: ignore[arg-type]


def test_the_probes_ask_endpoints_of_the_service_at_its_port() -> None:
    (container,) = pod(SERVICE)["containers"]
    (port,) = container["ports"]
    assert port["containerPort"] == parsed(container["args"])["port"]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container[name]["httpGet"]
        assert probe["port"] == port["name"]
        assert probe["path"] in DOCUMENT["paths"]


def test_a_pod_has_time_to_drain() -> None:
    (container,) = pod(SERVICE)["containers"]
    drain = parsed(container["args"])["drain_seconds"]
    assert float(settings_map()["DRAIN_DELAY_SECONDS"]) < drain < pod(SERVICE)["terminationGracePeriodSeconds"]


def test_the_largest_number_of_pods_opens_the_documented_number_of_connections() -> None:
    (container,) = pod(SERVICE)["containers"]
    values = {name.lower(): value for name, value in settings_map().items()}
    workers = parsed(container["args"])["workers"]
    pods = manifest(SERVICE, "HorizontalPodAutoscaler")["spec"]["maxReplicas"]
    connections = Settings(_env_file=None, **values).database_connections + 1  # type: ignore[arg-type]
    text = (SERVICE / "kustomization.yaml").read_text()
    assert f"{pods} pods of {workers} workers open up to {pods * workers * connections} connections" in text


def test_the_references_between_the_manifests_resolve() -> None:
    deployment, service = manifest(SERVICE, "Deployment"), manifest(SERVICE, "Service")
    (port,) = service["spec"]["ports"]
    (container,) = pod(SERVICE)["containers"]
    assert port["targetPort"] in {one["name"] for one in container["ports"]}
    target = manifest(SERVICE, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    (rule,) = manifest(SERVICE, "Ingress")["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert (backend["name"], backend["port"]["name"]) == (service["metadata"]["name"], port["name"])
    assert settings_map()["PUBLIC_URL"] == f"https://{rule['host']}"
    ((labels,), budget) = (
        [one["pairs"] for one in manifest(SERVICE, "Kustomization")["labels"]],
        manifest(SERVICE, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    )
    assert budget == labels
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod(SERVICE)["volumes"]}


@pytest.mark.parametrize("folder", [SERVICE, MIGRATE], ids=lambda folder: folder.name)
def test_the_secret_is_the_one_of_the_guide(folder: Path) -> None:
    (container,) = pod(folder)["containers"]
    secrets = [one["secretRef"]["name"] for one in container["envFrom"] if "secretRef" in one]
    assert secrets
    assert all(f"kubectl create secret generic {name}" in GUIDE for name in secrets)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl")
@pytest.mark.parametrize("folder", [SERVICE, MIGRATE], ids=lambda folder: folder.name)
def test_kustomize_builds_the_manifests(folder: Path) -> None:
    command = ["kubectl", "kustomize", str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    documents = list(yaml.safe_load_all(built.stdout))
    pods = [one["spec"]["template"] for one in documents if one["kind"] in ("Deployment", "Job")]
    (image,) = manifest(folder, "Kustomization")["images"]
    assert [one["spec"]["containers"][0]["image"] for one in pods] == [f"{image['newName']}:{image['newTag']}"]
    for service in (one for one in documents if one["kind"] == "Service"):
        assert service["spec"]["selector"].items() <= pods[0]["metadata"]["labels"].items()


def unit_values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def test_the_unit_runs_commands_of_the_service_and_waits_for_the_drain() -> None:
    commands = [line.partition("-m app ")[2].split() for line in unit_values("ExecStartPre") + unit_values("ExecStart")]
    assert [command[0] for command in commands] == ["migrate", "serve"]
    (stop,) = unit_values("TimeoutStopSec")
    assert [parsed(command) for command in commands][1]["drain_seconds"] < int(stop)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    # The installation of this machine in place of the one in /srv.
    text = UNIT.replace("/srv/image-tagged-system/.venv/bin/python", sys.executable)
    unit = tmp_path / "image-tagged-system.service"
    unit.write_text(text.replace("/srv/image-tagged-system", str(ROOT)))
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert (verified.returncode, verified.stderr) == (0, "")


def test_docker_compose_starts_the_same_backends_without_a_profile() -> None:
    services = COMPOSE["services"]
    assert {name for name, one in services.items() if "profiles" not in one} == {"postgres", "mongo", "minio", "redis"}
    assert services["seaweedfs"]["profiles"] == ["seaweedfs"]


def test_seaweedfs_has_the_keys_of_the_settings_and_options_that_exist() -> None:
    identities = json.loads((ROOT / "deploy" / "seaweedfs" / "s3.json").read_text())["identities"]
    example = dict(re.findall(r"^(STORAGE_\w+)=(.*)$", (ROOT / "docker-local.env").read_text(), re.MULTILINE))
    expected = {"accessKey": example["STORAGE_ACCESS_KEY"], "secretKey": example["STORAGE_SECRET_KEY"]}
    assert identities[0]["credentials"] == [expected]
    command, *options = COMPOSE["services"]["seaweedfs"]["command"]
    weed = Path(sys.executable).with_name("weed")
    usage = subprocess.run([str(weed), "help", command], capture_output=True, text=True, check=False)  # noqa: S603
    known = set(re.findall(r"^  -(\S+)", usage.stdout + usage.stderr, re.MULTILINE))
    assert known
    assert {option.lstrip("-").partition("=")[0] for option in options} <= known
