"""The manifests of deploy/kubernetes fit Kubernetes, the nodes, each other and the document."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest

import pbproto
from frontends.common.responses import Response
from frontends.common.routes import plan
from frontends.common.settings import Settings, split_address

from .files import DEPLOY, kubernetes_programs, kustomization, manifest, manifests, pods, typed

VERSIONS = ("1.29", kubernetes_validate.latest_version())
"""The oldest Kubernetes that the document promises, and the newest that is known."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "document", manifests(), ids=lambda each: f"{each['kind']}-{each['metadata']['name']}"
)
def test_manifests_fit_their_schemas(document: Any, version: str) -> None:
    """Goal: no field that Kubernetes does not have. Method: the schemas of Kubernetes itself, strictly."""
    kubernetes_validate.validate(document, version, strict=True)


def test_the_kustomization_has_every_file() -> None:
    """Goal: nothing is forgotten at `apply`. Method: compare with the folder; build it, where kubectl is."""
    there = {path.name for path in (DEPLOY / "kubernetes").iterdir()}
    assert {*kustomization()["resources"], "kustomization.yaml"} == there
    assert kustomization()["namespace"] == manifest("Namespace", "pbproto")["metadata"]["name"]


def test_kubectl_builds_the_kustomization() -> None:
    """Goal: `kubectl apply -k` reads it. Method: `kubectl kustomize`, which needs no cluster, where it is."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl on this machine")
    command = [kubectl, "kustomize", str(DEPLOY / "kubernetes")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"image: pbproto:{pbproto.__version__}\n") == len(pods())


def test_nodes_are_called_by_their_stable_names() -> None:
    """Goal: the view service finds every node, also one that is not ready. Method: make the names from the
    StatefulSet and its Service, and compare with the list."""
    nodes = manifest("StatefulSet", "pbproto")
    service = manifest("Service", nodes["spec"]["serviceName"])
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    port = split_address(kubernetes_programs()["StatefulSet/pbproto"].environment["PBPROTO_BIND"])[1]
    expected = {
        index: f"pbproto-{index}.{service['metadata']['name']}:{port}"
        for index in range(nodes["spec"]["replicas"])
    }
    given = kubernetes_programs()["Deployment/viewservice"].nodes
    assert given == expected
    for address in given.values():
        split_address(address)
    (container,) = nodes["spec"]["template"]["spec"]["containers"]
    assert [each["containerPort"] for each in container["ports"]] == [port]
    # All are members, as a spare would never be ready.
    assert "--size" not in kubernetes_programs()["Deployment/viewservice"].arguments


def test_selectors_find_their_pods() -> None:
    """Goal: services, budgets and policies are about the nodes. Method: compare labels with the pods'."""
    labels = {name: pod["metadata"]["labels"].items() for name, pod in pods().items()}
    nodes, service = labels["StatefulSet/pbproto"], labels["Deployment/viewservice"]
    for name in ("pbproto", "pbproto-nodes"):
        found = manifest("Service", name)["spec"]
        assert found["selector"].items() <= nodes
        assert not found["selector"].items() <= service
        assert [each["targetPort"] for each in found["ports"]] == ["http"]
    budget = manifest("PodDisruptionBudget", "pbproto")["spec"]
    assert budget["selector"]["matchLabels"].items() <= nodes
    assert not budget["selector"]["matchLabels"].items() <= service
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "IfHealthyBudget")
    for name, chosen in (("nodes", nodes), ("viewservice", service)):
        assert manifest("NetworkPolicy", name)["spec"]["podSelector"]["matchLabels"].items() <= chosen
        for rule in manifest("NetworkPolicy", name)["spec"]["egress"][:1]:
            assert rule["to"][0]["podSelector"]["matchLabels"].items() <= nodes
    (ingress,) = manifest("NetworkPolicy", "nodes")["spec"]["ingress"]
    assert ingress["from"][0]["podSelector"]["matchLabels"].items() <= nodes & service
    for kind, name in (("StatefulSet", "pbproto"), ("Deployment", "viewservice")):
        spec = manifest(kind, name)["spec"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_pods_mount_what_they_have() -> None:
    """Goal: pods start. Method: compare mounts with volumes, volumes with claims and with the Secrets
    that the document makes, and the paths in commands with all of them."""
    secrets = {
        name: set(re.findall(r"--from-file=([\w-]+)=", line))
        for line in typed()
        for name in re.findall(r"create secret generic (\S+)", line)
    }
    for name, pod in pods().items():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        (container,) = pod["spec"]["containers"]
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
        assert len(mounts) == len(volumes)
        program = kubernetes_programs()[name]
        words = [*program.command, *program.environment.values()]
        files = [Path(word.removeprefix("sqlite:")) for word in words if "/" in word and "bin" not in word]
        assert files
        for path in files:
            volume = mounts[str(path.parent)]
            if "secret" in volume:
                assert path.name in secrets[volume["secret"]["secretName"]]
            else:
                assert manifest("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])


def test_probes_ask_for_what_is_there() -> None:
    """Goal: neither probe fails for ever. Method: put what they ask for to the table of routes. And restarts
    are not decided by whether requests for data are answered: that would restart all at once."""
    (container,) = pods()["StatefulSet/pbproto"]["spec"]["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("readiness", "liveness")}
    assert paths == {"readiness": "/ready", "liveness": "/ping"}
    assert container["readinessProbe"]["httpGet"]["port"] == container["ports"][0]["name"]
    for path in paths.values():
        assert not isinstance(plan("GET", path.encode(), Settings(id=0)), Response)
    assert isinstance(plan("GET", b"/health", Settings(id=0)), Response)
    liveness = container["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


@pytest.mark.parametrize("name", pods())
def test_pods_are_restricted(name: str) -> None:
    """Goal: the namespace takes them. Method: what the restricted profile of pod security asks for, and a
    file system that cannot be written."""
    pod = pods()[name]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]
    assert (pod["enableServiceLinks"], pod["automountServiceAccountToken"]) == (False, False)
