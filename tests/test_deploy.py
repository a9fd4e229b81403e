"""What is shipped for running it: every file is read by the program or against the schema that it is for."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import servers
from aragora.config import Settings, env_name, load
from fleet import front_for
from services import binary

DEPLOY = Path(__file__).parents[1] / "deploy"
KUBERNETES = "1.30"


def documents(name: str) -> list[dict[str, object]]:
    """The objects in a YAML file."""
    return [each for each in yaml.safe_load_all((DEPLOY / name).read_text("utf-8")) if each]


@pytest.mark.parametrize("path", sorted((DEPLOY / "k8s").glob("*.yaml")), ids=lambda path: path.name)
def test_manifest_is_valid(path: Path) -> None:
    """Every object is one that Kubernetes knows, with no field that it does not."""
    if path.name == "kustomization.yaml":
        (listed,) = documents("k8s/kustomization.yaml")
        assert {file.name for file in path.parent.glob("*.yaml")} - {path.name} == {*listed["resources"]}  # type: ignore[misc]
        return
    for each in documents(f"k8s/{path.name}"):
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_manifests_fit_together() -> None:
    """Selectors, scalers and budgets name deployments that there are."""
    objects = [each for path in (DEPLOY / "k8s").glob("*.yaml") for each in documents(f"k8s/{path.name}")]
    names = {each["metadata"]["name"] for each in objects if each["kind"] == "Deployment"}  # type: ignore[index]
    assert {"aragora-api", "aragora-ws", "aragora-worker"} == names
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in objects if each["kind"] == "HorizontalPodAutoscaler"}  # type: ignore[index]
    assert names == scaled
    assert names == {each["metadata"]["name"] for each in objects if each["kind"] == "PodDisruptionBudget"}  # type: ignore[index]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.fleet.yaml", "prometheus/fleet.yml"])
def test_compose_files_fit_together(name: str) -> None:
    """They are YAML; what a service waits for and mounts is there."""
    (document,) = documents(name)
    services = document.get("services", {})
    assert isinstance(services, dict)
    for service in services.values():
        assert {*service.get("depends_on", [])} <= services.keys()
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in document["volumes"] if "/" not in source else (DEPLOY / source).exists()  # type: ignore[operator]


def test_nginx_takes_its_file() -> None:
    """`nginx -t` has nothing against it; the front of the fleet's tests is this very file."""
    port = servers.free_port()
    with servers.folder_for("nobody") as folder:
        text = front_for([], port)
        assert "server api-1:8080" in text  # nobody was named, so the shipped names are there
        text = re.sub(r"server (api|ws)-\d", "server 127.0.0.1", text).replace("{folder}", str(folder))
        (folder / "nginx.conf").write_text(text, "utf-8")
        command = [binary("nginx"), "-t", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "test is successful" in done.stderr, done.stderr


def test_pgbouncer_starts_with_its_file() -> None:
    """PgBouncer serves with the shipped settings, but for the port, and has no complaint."""
    with servers.folder_for("postgres") as folder:
        port = servers.free_port()
        text = (DEPLOY / "pgbouncer/pgbouncer.ini").read_text("utf-8")
        for pattern, value in (
            (r"listen_port = .*", f"listen_port = {port}"),
            (r"auth_file = .*", f"auth_file = {folder}/users"),
        ):
            assert re.search(pattern, text)
            text = re.sub(pattern, value, text)
        (folder / "users").write_text("", "utf-8")
        (folder / "pgbouncer.ini").write_text(text, "utf-8")
        for file in folder.iterdir():
            file.chmod(0o644)
        command = servers.as_user("postgres", [binary("pgbouncer"), str(folder / "pgbouncer.ini")])
        server = servers.Server(command, port=port, folder=folder, name="pgbouncer")
        server.start()
        server.stop()
        said = (folder / "pgbouncer.log").read_text("utf-8")
    assert not re.search(r"ERROR|WARNING|unknown", said), said


def test_settings_exist() -> None:
    """Every setting that a file of deploy names is one that the product reads."""
    known = {env_name(each.name) for each in fields(Settings)}
    texts = [path.read_text("utf-8") for path in DEPLOY.rglob("*") if path.is_file() and "grafana" not in str(path)]
    assert set() == {name for text in texts for name in re.findall(r"ARAGORA_[A-Z_]+", text)} - known


def filled(text: str) -> str:
    """A text of a compose file with its variables: what stands behind `:-`, or anything where one has to be set."""
    return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}", lambda found: found[1] or "secret", text)


def services() -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Every way in which a file of deploy starts the product: where, with which arguments, in which environment."""
    image = dict(re.findall(r"(ARAGORA_\w+)=(\S+)", (DEPLOY / "Dockerfile").read_text("utf-8")))
    for name in ("compose.yaml", "compose.fleet.yaml"):
        found: dict[str, dict[str, Any]] = documents(name)[0]["services"]  # type: ignore[assignment]
        for title, each in found.items():
            if "build" in each:
                given = {key: filled(str(value)) for key, value in each["environment"].items() if key.startswith("ARAGORA_")}
                yield f"{name} {title}", each.get("command", ["serve"]), image | given
    objects: list[dict[str, Any]] = [each for path in (DEPLOY / "k8s").glob("*.yaml") for each in documents(f"k8s/{path.name}")]
    settings = next(each["data"] for each in objects if each["kind"] == "ConfigMap")
    for each in objects:
        for container in each.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            # What a secret holds is not in the files.
            secret = {"ARAGORA_DATABASE_URL": "postgresql://me@db/aragora", "ARAGORA_REDIS_URL": "redis://cache"}
            assert {"secretRef", "configMapRef"} <= {kind for source in container["envFrom"] for kind in source}
            yield f"k8s {each['metadata']['name']}", container["args"], image | secret | settings


def test_every_service_starts_with_its_settings() -> None:
    """None is refused for its settings: above all, one that other machines reach says who may use it."""
    found = [*services()]
    assert 12 <= len(found)
    for title, arguments, environ in found:
        flags = dict(zip((word.removeprefix("--").replace("-", "_") for word in arguments[1::2]), arguments[2::2], strict=True))
        loaded = load(flags, environ, None)
        assert "required" == loaded.settings.auth, title
