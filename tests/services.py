"""Programs of other people that tests run. As a script, prints the Debian packages that hold those which tests ask for."""

import os
import re
import shutil
from pathlib import Path

PACKAGES = {
    "chromium": "chromium",
    "initdb": "postgresql",
    "ip": "iproute2",
    "nginx": "nginx",
    "pg_basebackup": "postgresql",
    "pg_ctl": "postgresql",
    "pg_dump": "postgresql",
    "pg_isready": "postgresql",
    "pg_restore": "postgresql",
    "pgbouncer": "pgbouncer",
    "postgres": "postgresql",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "psql": "postgresql",
    "redis-cli": "redis-tools",
    "redis-server": "redis-server",
    "setpriv": "util-linux",
    "tmux": "tmux",
}
# Where Debian puts programs that are not for everybody's path.
FOLDERS = (*os.get_exec_path(), "/usr/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)))


def found(name: str) -> str | None:
    """The path of a program of PACKAGES on this machine, if it is there."""
    return shutil.which(name, path=os.pathsep.join(FOLDERS))


def binary(name: str) -> str:
    """The path of a program of PACKAGES; where it is missing the test is skipped, or fails under ARAGORA_REQUIRE_SERVICES=1."""
    import pytest  # noqa: PLC0415  # the script runs before anything is installed

    path = found(name)
    if path is None:
        refuse = pytest.fail if os.environ.get("ARAGORA_REQUIRE_SERVICES") == "1" else pytest.skip
        refuse(f"{name} is missing; it is in the Debian package {PACKAGES[name]}")
    return path


def missing() -> list[str]:
    """The packages of programs that the tests ask for and this machine lacks."""
    asked = {
        name
        for file in Path(__file__).parent.rglob("*.py")
        for name in re.findall(r'\bbinary\("([a-z_-]+)"\)', file.read_text("utf-8"))
    }
    return sorted({PACKAGES[name] for name in asked if found(name) is None})


def locust() -> str:
    """The program; `make load-tools` installs it apart from the rest, since it replaces parts of Python's library."""
    import pytest  # noqa: PLC0415  # as above

    path = shutil.which("locust", path=os.pathsep.join([str(Path(__file__).parents[1] / "build/load/bin"), *os.get_exec_path()]))
    if path is None:
        refuse = pytest.fail if os.environ.get("ARAGORA_REQUIRE_SERVICES") == "1" else pytest.skip
        refuse("locust is missing; `make load-tools` installs it")
    return path


if __name__ == "__main__":
    print(*missing())  # it is a script
