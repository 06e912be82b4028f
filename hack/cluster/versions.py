"""Every version that the cluster is made of, in one place.

Go tools are pinned a second time by ``tools/<tool>/go.mod`` (with ``go.sum``); a test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

KUBERNETES = "1.35.8"
BASE_IMAGE = "bookworm-2"
"""Name of the base image's recipe: raise its number when the recipe in ``base.py`` changes."""

SMALLEST_GO = (1, 26)


@dataclass(frozen=True)
class Tool:
    """One Go module and the programs built from it.

    ``programs`` maps each program to its package, ``version_args`` gives the arguments that make it print its
    version, and ``prints`` is a text that must appear in what it prints (None: it only has to exit with 0).
    ``carries`` maps a name to a folder of the module that is kept beside the programs, such as a chart.
    """

    name: str
    module: str
    version: str
    programs: dict[str, str]
    version_args: dict[str, tuple[str, ...]]
    prints: str | None
    ldflags: str = "-s -w"
    carries: Mapping[str, str] = field(default_factory=dict)


_KUBE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")
_KUBE_MINOR = KUBERNETES.split(".")[1]

KUBERNETES_TOOL = Tool(
    name="kubernetes",
    module="k8s.io/kubernetes",
    version=KUBERNETES,
    programs={name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBE},
    version_args={name: ("version", "--client") if name == "kubectl" else ("--version",) for name in _KUBE},
    prints=f"v{KUBERNETES}",
    ldflags=" ".join(
        (
            "-s -w",
            f"-X k8s.io/component-base/version.gitVersion=v{KUBERNETES}",
            "-X k8s.io/component-base/version.gitMajor=1",
            f"-X k8s.io/component-base/version.gitMinor={_KUBE_MINOR}",
            f"-X k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES}",
        )
    ),
)


def _single(
    name: str, module: str, version: str, package: str, *args: str, prints: str | None, flags: str = ""
) -> Tool:
    return Tool(name, module, version, {name: package}, {name: args}, prints, f"-s -w {flags}".strip())


ETCD = _single(
    "etcd", "go.etcd.io/etcd/server/v3", "3.6.14", "go.etcd.io/etcd/server/v3", "--version", prints="3.6.14"
)
HELM = _single(
    "helm",
    "helm.sh/helm/v4",
    "4.2.4",
    "helm.sh/helm/v4/cmd/helm",
    "version",
    "--short",
    prints="v4.2.4",
    flags="-X helm.sh/helm/v4/internal/version.version=v4.2.4",
)
COREDNS = _single(
    "coredns",
    "github.com/coredns/coredns",
    "1.13.1",
    "github.com/coredns/coredns",
    "-version",
    prints="1.13.1",
)
VERSITYGW = _single(
    "versitygw",
    "github.com/versity/versitygw",
    "1.8.0",
    "github.com/versity/versitygw/cmd/versitygw",
    "--version",
    prints="1.8.0",
    flags="-X main.Version=v1.8.0",
)
KIND = _single("kind", "sigs.k8s.io/kind", "0.32.0", "sigs.k8s.io/kind", "version", prints="v0.32.0")


def _controller(name: str, version: str, package: str) -> Tool:
    """A controller and its chart. It tells its version only in its log."""
    module = f"sigs.k8s.io/{name}"
    stamp = f"-s -w -X {module}/pkg/version.GitVersion=v{version}"
    chart = {"chart": f"charts/{name}"}
    return Tool(name, module, version, {name: package}, {name: ("--help",)}, None, stamp, chart)


KUEUE = _controller("kueue", "0.17.0", "sigs.k8s.io/kueue/cmd/kueue")
JOBSET = _controller("jobset", "0.11.1", "sigs.k8s.io/jobset")
"""The version that this Kueue is built against; go.mod shares what both need, so each is compiled once."""

BARE_TOOLS = (KUBERNETES_TOOL, ETCD, COREDNS, HELM, VERSITYGW)
"""What a bare cluster and the demo on it need, the slowest first."""

ALL_TOOLS = (*BARE_TOOLS, KIND, KUEUE, JOBSET)
