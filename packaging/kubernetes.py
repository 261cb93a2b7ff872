"""Holds conf/kubernetes against Kubernetes' schemas, against itself, and against the gateway that it would run."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = ROOT / "conf" / "kubernetes"
TOKEN = "the-token-of-the-check"
DEADLINE_S = 20
# What ending takes besides the delay and the drain.
MARGIN_S = 5


def rendered():
    """Every object of the kustomization, and the ServiceMonitor, which clusters without the operator refuse."""
    kustomized = subprocess.run(["kubectl", "kustomize", str(MANIFESTS)], check=True, capture_output=True, text=True)
    texts = [kustomized.stdout, (MANIFESTS / "servicemonitor.yaml").read_text()]
    return [one for text in texts for one in yaml.safe_load_all(text)]


def of_kind(objects, kind):
    return [one for one in objects if one["kind"] == kind]


def seconds(duration):
    return int(re.fullmatch(r"(\d+)s", duration)[1])


class Pod:
    """The pod that the StatefulSet makes, and the configuration that is mounted in it."""

    def __init__(self, objects):
        (self.stateful_set,) = of_kind(objects, "StatefulSet")
        (self.config_map,) = of_kind(objects, "ConfigMap")
        self.template = self.stateful_set["spec"]["template"]
        self.spec = self.template["spec"]
        (self.container,) = self.spec["containers"]
        self.labels = self.template["metadata"]["labels"]
        self.ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        self.mounts = {mount["mountPath"]: mount["name"] for mount in self.container["volumeMounts"]}
        command, file = self.container["args"]
        assert command == "run", command
        self.folder, self.file = os.path.split(file)
        self.text = self.config_map["data"][self.file]
        self.config = tomllib.loads(self.text)

    def probes(self):
        return {name: self.container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}


def the_schemas_hold(objects, _):
    for one in objects:
        if one["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(one, str(kubernetes_validate.latest_version()), strict=True)


def names_and_ports_lead_somewhere(objects, pod):
    listeners = [address.rsplit(":", 1)[1] for address in pod.config["server"]["listen"]]
    assert [str(pod.ports["http"])] == listeners
    assert pod.config["admin"]["listen"] == f"0.0.0.0:{pod.ports['admin']}", "the kubelet could not probe it"
    services = of_kind(objects, "Service")
    for service in services:
        assert service["spec"]["selector"].items() <= pod.labels.items(), service["metadata"]["name"]
        assert all(port["targetPort"] in pod.ports for port in service["spec"]["ports"])
    assert pod.stateful_set["spec"]["serviceName"] in [service["metadata"]["name"] for service in services]
    (budget,) = of_kind(objects, "PodDisruptionBudget")
    assert budget["spec"]["selector"]["matchLabels"].items() <= pod.labels.items()
    (monitor,) = of_kind(objects, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    (watched,) = [service for service in services if wanted.items() <= service["metadata"]["labels"].items()]
    assert [one["port"] for one in monitor["spec"]["endpoints"]] == [one["name"] for one in watched["spec"]["ports"]]
    (variable,) = pod.container["env"]
    assert pod.config["admin"]["token"] == f"${{env:{variable['name']}}}"
    assert variable["valueFrom"]["secretKeyRef"] == monitor["spec"]["endpoints"][0]["authorization"]["credentials"]


def the_configuration_and_the_state_are_where_they_are_mounted(_, pod):
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    configuration = volumes[pod.mounts[pod.folder]]
    assert configuration["configMap"]["name"] == pod.config_map["metadata"]["name"]
    (claim,) = pod.stateful_set["spec"]["volumeClaimTemplates"]
    assert pod.mounts[pod.config["state"]["dir"]] == claim["metadata"]["name"]


def it_runs_as_the_image_says_and_can_do_no_more(_, pod):
    user, group = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE).groups()
    security = pod.spec["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (int(user), int(group), int(group))
    assert security["runAsNonRoot"]
    own = pod.container["securityContext"]
    assert own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"]
    assert own["capabilities"] == {"drop": ["ALL"]}


def the_grace_period_is_longer_than_the_drain(_, pod):
    server = pod.config["server"]
    needed = seconds(server["drain_delay"]) + seconds(server["drain"]) + MARGIN_S
    assert pod.spec["terminationGracePeriodSeconds"] >= needed, needed


def mount(folder, text, version):
    """Writes a ConfigMap the way the kubelet does: files behind a link that is exchanged."""
    data = folder / f"..{version}"
    data.mkdir()
    (data / "tollgate.toml").write_text(text)
    (folder / "..new").symlink_to(data.name)
    (folder / "..new").rename(folder / "..data")
    if not (folder / "tollgate.toml").is_symlink():
        (folder / "tollgate.toml").symlink_to("..data/tollgate.toml")


@contextlib.contextmanager
def gateway(binary, text, folder):
    """The gateway with the pod's configuration; gives the URLs of its two listeners."""
    mount(folder, text, 1)
    variables = os.environ | {"TOLLGATE_ADMIN_TOKEN": TOKEN}
    command = [binary, "run", str(folder / "tollgate.toml")]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=variables, **pipes) as child:
        try:
            ready = next(line for line in child.stderr if "tollgate: ready" in line)
            yield re.search(r"serving on (http\S+), admin on (http\S+)", ready).groups()
            child.terminate()
            assert child.wait(DEADLINE_S) == 0
        finally:
            child.kill()


def status(url, **fields):
    request = urllib.request.Request(url, headers=fields)
    try:
        return urllib.request.urlopen(request, timeout=DEADLINE_S).status
    except urllib.error.HTTPError as error:
        return error.code


def the_gateway_answers_probes_and_scrapes_and_takes_a_changed_config_map(objects, pod):
    binary = str(Path(sys.argv[1]).resolve())
    text = re.sub(r"0\.0\.0\.0:\d+", "127.0.0.1:0", pod.text)
    with tempfile.TemporaryDirectory() as state, tempfile.TemporaryDirectory() as folder:
        text = text.replace(f'"{pod.config["state"]["dir"]}"', f'"{state}"')
        with gateway(binary, text, Path(folder)) as (data_plane, admin):
            for name, probe in pod.probes().items():
                assert probe["port"] == "admin", name
                assert status(admin + probe["path"]) == 200, name
            (endpoint,) = of_kind(objects, "ServiceMonitor")[0]["spec"]["endpoints"]
            assert status(admin + endpoint["path"], Authorization=f"Bearer {TOKEN}") == 200
            assert status(admin + endpoint["path"], Authorization="Bearer another") == 401
            assert status(data_plane + "/demo/prod/hello") == 200
            mount(Path(folder), text.replace('"/hello"', '"/changed"'), 2)
            until = time.monotonic() + DEADLINE_S
            while status(data_plane + "/demo/prod/changed") != 200:
                assert time.monotonic() < until, "the changed ConfigMap was not taken over"
                time.sleep(0.05)


def main():
    objects = rendered()
    pod = Pod(objects)
    checks = [
        the_schemas_hold,
        names_and_ports_lead_somewhere,
        the_configuration_and_the_state_are_where_they_are_mounted,
        it_runs_as_the_image_says_and_can_do_no_more,
        the_grace_period_is_longer_than_the_drain,
        the_gateway_answers_probes_and_scrapes_and_takes_a_changed_config_map,
    ]
    for check in checks:
        check(objects, pod)
        print(f"ok      {check.__name__.replace('_', ' ')}")
    print(f"\n{len(checks)} passed, 0 failed")


if __name__ == "__main__":
    main()
