"""Command line of the development cluster."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.cluster import bare, build, current, kind, provider, teardown
from hack.cluster.cluster import load
from hack.cluster.errors import ClusterError
from hack.cluster.images import build_and_load
from hack.cluster.paths import REPO, Paths
from hack.cluster.versions import ALL_TOOLS, BARE_TOOLS

_DEFAULT = "penstock"


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0 done, 1 failed, 2 something must be provided first."""
    arguments = _parser().parse_args(words)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; the next command goes on from here", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m hack.cluster",
        description="A real Kubernetes for development and tests.",
        epilog="Exit codes: 0 done, 1 failed or not running, 2 the machine lacks something, which is named.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=run)
        if name != "build":
            command.add_argument("--name", default=_DEFAULT, help=f"the cluster's name (default: {_DEFAULT})")
        return command

    up = add(
        "up", _up, "bring a cluster up: CLUSTER=current|kind|bare, else kind with Docker, else bare as root"
    )
    up.add_argument(
        "--provider", choices=("bare", "kind", "current"), help="in place of the variable CLUSTER"
    )
    add(
        "down",
        _down,
        "take down what `up` brought up, data and all (a cluster of somebody else is left alone)",
    )
    tools = add("build", _build, "build the programs of a bare cluster into the user's cache")
    tools.add_argument(
        "tool", nargs="*", metavar="TOOL", help=f"one of {', '.join(t.name for t in ALL_TOOLS)}"
    )
    add("start", _start, "start a bare cluster, or put right what died in it")
    add("stop", _stop, "stop a bare cluster and keep its data")
    add("status", _status, "say whether the cluster runs (exit code 0) or not (1)")
    clean = add("clean", _clean, "stop a bare cluster and delete its data")
    clean.add_argument("--cache", action="store_true", help="delete built programs and images too")
    add("env", _env, 'print the lines that point a shell to the cluster: eval "$(... env)"')
    kubectl = add("kubectl", _kubectl, "run kubectl on the cluster: ... kubectl -- get pods")
    kubectl.add_argument("words", nargs=argparse.REMAINDER)
    image = add("image", _image, "build an image unless the cluster has it, and print its full reference")
    image.add_argument("dockerfile", type=Path)
    image.add_argument(
        "--tag", required=True, metavar="NAME", help="the image's name; its tag is made from the inputs"
    )
    image.add_argument("--build-arg", action="append", default=[], metavar="K=V")
    image.add_argument("--context", type=Path, default=REPO, help="default: the top of the repository")
    image.add_argument(
        "--inputs", type=Path, nargs="+", required=True, metavar="PATH", help="what decides the tag"
    )
    return parser


def _up(arguments: argparse.Namespace) -> int:
    cluster = provider.up(arguments.name, arguments.provider)
    print(f"cluster {cluster.name} ({cluster.provider}): KUBECONFIG={cluster.kubeconfig}")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    provider.down(arguments.name)
    return 0


def _build(arguments: argparse.Namespace) -> int:
    by_name = {tool.name: tool for tool in ALL_TOOLS}
    if unknown := [name for name in arguments.tool if name not in by_name]:
        raise ClusterError(f"unknown tool {unknown[0]}: one of {', '.join(by_name)}")
    for tool in [by_name[name] for name in arguments.tool] or BARE_TOOLS:
        build.ensure(tool)
    return 0


def _start(arguments: argparse.Namespace) -> int:
    print(f"KUBECONFIG={provider.up(arguments.name, 'bare').kubeconfig}")
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    teardown.stop(arguments.name)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    cluster = load(arguments.name)
    match cluster.provider:
        case "bare":
            problems = bare.problems(cluster.name)
        case "kind":
            problems = [] if kind.running(cluster.name) else ["Docker does not run it"]
        case "current":
            problems = [] if current.running(cluster) else ["its server does not answer"]
    state = "does not run" if problems else "runs"
    print(f"cluster {cluster.name} ({cluster.provider}) {state}")
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems else 0


def _clean(arguments: argparse.Namespace) -> int:
    if Paths(arguments.name).record.exists() and load(arguments.name).provider != "bare":
        raise ClusterError(f"cluster {arguments.name} is not a bare one: use `down`")
    teardown.clean(arguments.name)
    if arguments.cache:
        teardown.clean_cache()
    return 0


def _env(arguments: argparse.Namespace) -> int:
    environment = load(arguments.name).environment()
    print(f"export KUBECONFIG={shlex.quote(environment['KUBECONFIG'])}")
    print(f'export PATH={shlex.quote(environment["PATH"])}:"$PATH"')
    return 0


def _kubectl(arguments: argparse.Namespace) -> int:
    cluster = load(arguments.name)
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    os.execve(cluster.kubectl, ["kubectl", *words], {**os.environ, "KUBECONFIG": cluster.kubeconfig})  # noqa: S606 - no shell is wanted


def _image(arguments: argparse.Namespace) -> int:
    pairs = [pair.partition("=") for pair in arguments.build_arg]
    if wrong := [key for key, sign, _ in pairs if not sign]:
        raise ClusterError(f"--build-arg {wrong[0]}: must be KEY=VALUE")
    reference = build_and_load(
        load(arguments.name),
        arguments.dockerfile,
        arguments.tag,
        arguments.inputs,
        build_args={key: value for key, _, value in pairs},
        context=arguments.context,
    )
    print(reference)
    return 0


if __name__ == "__main__":
    sys.exit(main())
