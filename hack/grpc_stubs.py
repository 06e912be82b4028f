"""Writes the modules of the server's protocol messages from their .proto files; --check says what differs."""

import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "penstock_server/protocol"
SOURCES = ROOT / "serving"


def generated() -> dict[str, str]:
    """File name to content. The services need no stubs: the server registers its handlers by name."""
    names = sorted(path.name for path in (SOURCES / PACKAGE).glob("*.proto"))
    common = str(Path(grpc_tools.__file__).parent / "_proto")
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{PACKAGE}/{name}" for name in names]
        code = protoc.main(["protoc", f"-I{SOURCES}", f"-I{common}", f"--python_out={folder}", *files])
        if code != 0:
            raise SystemExit(code)
        made = sorted((Path(folder) / PACKAGE).iterdir())
        return {path.name: path.read_text() for path in made}


def main() -> int:
    """Write or check; 1 when something differs and was not to be written."""
    check = "--check" in sys.argv[1:]
    failed = False
    for name, content in generated().items():
        path = SOURCES / PACKAGE / name
        if path.is_file() and path.read_text() == content:
            continue
        if check:
            print(f"{path.relative_to(ROOT)} is out of date: run make generate")
            failed = True
        else:
            path.write_text(content)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
