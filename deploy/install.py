"""Install into an image what `pyproject.toml` asks for, without the project itself.

The code is copied in a later layer, so that editing it rebuilds only that layer.

    install.py core | EXTRA | PACKAGE ...          into the virtual environment /opt/burnish
    install.py --layer NAME PACKAGE ...            into /opt/NAME, which /opt/burnish can import

`core` is what every service needs, EXTRA one of the optional dependencies, and PACKAGE a
distribution, in the version that `pyproject.toml` asks for where it names one. Packages come from
`/build/wheels` where that folder holds any, else from pip's index and `$TORCH_INDEX`. Certificates
in `/build/ca` are trusted.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

BUILD = Path("/build")
VENV = Path("/opt/burnish")


def groups() -> dict[str, list[str]]:
    """Requirements by what asks for them: `core` or an extra."""
    project = tomllib.loads((BUILD / "pyproject.toml").read_text())["project"]
    return {"core": project["dependencies"], **project["optional-dependencies"]}


def requirement(package: str) -> str:
    """How `pyproject.toml` asks for `package`; the bare name where it does not."""
    named = re.compile(rf"{re.escape(package)}(?![\w.-])")
    return next(
        (text for group in groups().values() for text in group if named.match(text)), package
    )


def environment() -> dict[str, str]:
    """Environment variables that tell pip where packages are and whom to trust."""
    variables = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore")
    variables["PIP_NO_CACHE_DIR"] = "1"
    wheels = BUILD / "wheels"
    if any(wheels.glob("*.whl")):
        return variables | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    if index := variables.get("TORCH_INDEX"):
        variables["PIP_EXTRA_INDEX_URL"] = index
    certificates = sorted((BUILD / "ca").glob("*.crt"))
    if certificates:
        for certificate in certificates:
            shutil.copy(certificate, "/usr/local/share/ca-certificates")
        subprocess.run(["/usr/sbin/update-ca-certificates"], check=True)
        variables["PIP_CERT"] = "/etc/ssl/certs/ca-certificates.crt"
    return variables


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layer", metavar="NAME")
    parser.add_argument("--no-deps", action="store_true")
    parser.add_argument("names", nargs="+")
    arguments = parser.parse_args()

    if not VENV.is_dir():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", VENV], check=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(VENV / "bin/python"),
        "install",
        "--quiet",
    ]
    if arguments.no_deps:
        command.append("--no-deps")
    if arguments.layer:
        folder = f"/opt/{arguments.layer}"
        command += ["--target", folder]
        site_packages = next(VENV.glob("lib/python3*/site-packages"))
        (site_packages / f"{arguments.layer}.pth").write_text(folder + "\n")
    extras = {} if arguments.layer else groups()
    for name in arguments.names:
        command += extras.get(name, [requirement(name)])
    return subprocess.run(command, env=environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
