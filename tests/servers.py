"""Servers of other people, started by a test on free ports in a folder of their own, and stopped by it.

Each is a child of the test itself, so that it can be killed like a machine that loses power: what a control program starts and
something else kills stays a zombie, and refuses to start again.
"""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from services import binary

READY_WITHIN_S = 30.0
CLUSTER_NODES = 6
DATABASE = "aragora"
RULES = Path(__file__).parents[1] / "deploy/prometheus"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(ready: Callable[[], bool], what: str, within_s: float = READY_WITHIN_S) -> None:
    """Wait until `ready`; fail the test when that takes too long."""
    ends = time.monotonic() + within_s
    while not ready():
        if time.monotonic() > ends:
            raise TimeoutError(f"{what} did not come within {within_s:.0f} s")
        time.sleep(0.02)


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=0.5):
        return True
    return False


def as_user(name: str, command: Sequence[str]) -> list[str]:
    """The command, run by that user when we are root: some servers refuse to be run by root."""
    if os.getuid() != 0:
        return [*command]
    return [binary("setpriv"), f"--reuid={name}", f"--regid={name}", "--clear-groups", "--", *command]


def _own(folder: Path, name: str) -> None:
    if os.getuid() == 0:
        user = pwd.getpwnam(name)
        os.chown(folder, user.pw_uid, user.pw_gid)


class Server:
    """A child process that listens on a port."""

    def __init__(self, command: Sequence[str], *, port: int, folder: Path, name: str) -> None:
        self.command, self.port, self.folder, self.name = [*command], port, folder, name
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        log = (self.folder / f"{self.name}.log").open("ab")
        with log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        try:
            wait_for(self.up, self.name)
        except TimeoutError as error:
            self.kill()
            raise AssertionError((self.folder / f"{self.name}.log").read_text("utf-8", "replace")[-2000:]) from error

    def up(self) -> bool:
        """Whether it serves."""
        return answers(self.port)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """Kill it without warning."""
        self.stop(signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait until it is gone."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
        try:
            self.process.wait(READY_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Postgres(Server):
    """PostgreSQL, without passwords, on loopback."""

    def __init__(self, folder: Path, port: int, *, host: str = "127.0.0.1", settings: Sequence[str] = ()) -> None:
        self.data = folder / "data"
        self.host = host
        fixed = [f"port={port}", f"listen_addresses={host}", f"unix_socket_directories={folder}", "max_connections=200"]
        given = [part for setting in (*fixed, *settings) for part in ("-c", setting)]
        command = as_user("postgres", [binary("postgres"), "-D", str(self.data), *given])
        super().__init__(command, port=port, folder=folder, name="postgres")

    def create(self) -> None:
        """Make an empty cluster of databases."""
        quick = ["--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust", "--username=postgres", "--data-checksums"]
        subprocess.run(as_user("postgres", [binary("initdb"), *quick, "-D", str(self.data)]), check=True, capture_output=True)

    def follow(self, primary: "Postgres", name: str) -> None:
        """Become a copy of a running primary, which this one will follow under that name once it is started."""
        source = f"host={primary.host} port={primary.port} user=postgres application_name={name}"
        command = [binary("pg_basebackup"), "-D", str(self.data), "-d", source, "-R", "-X", "stream", "-c", "fast"]
        subprocess.run(as_user("postgres", command), check=True, capture_output=True)

    def up(self) -> bool:
        """Whether it answers queries; it accepts connections earlier."""
        command = [binary("pg_isready"), "-q", "-h", self.host, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it: by default at once but in order, whoever is connected. SIGKILL takes its children with it, as a crash does."""
        children = _children(self.pid) if self.process is not None and number is signal.SIGKILL else []
        super().stop(number)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def promote(self) -> None:
        """Make a standby the primary."""
        command = [binary("pg_ctl"), "promote", "-D", str(self.data), "-w"]
        subprocess.run(as_user("postgres", command), check=True, capture_output=True)

    def sql(self, text: str, database: str = "postgres") -> str:
        """What psql prints for a statement, bare."""
        command = [binary("psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", self.host, "-p", str(self.port), "-U", "postgres"]
        done = subprocess.run([*command, "-d", database, "-c", text], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def url(self, database: str = DATABASE) -> str:
        """Where to connect."""
        return f"postgresql://postgres@{self.host}:{self.port}/{database}"


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text("utf-8", "replace").rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(status.parent.name))
    return found


@contextlib.contextmanager
def folder_for(user: str) -> Iterator[Path]:
    """A folder that belongs to a user, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="aragora-"))
    _own(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def postgres(*, settings: Sequence[str] = (), host: str = "127.0.0.1", port: int = 0) -> Iterator[Postgres]:
    """A running PostgreSQL with an empty database."""
    binary("initdb")
    with folder_for("postgres") as folder:
        server = Postgres(folder, port or free_port(), host=host, settings=settings)
        server.create()
        server.start()
        try:
            server.sql(f"CREATE DATABASE {DATABASE}")
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def standby(primary: Postgres, name: str = "b", *, settings: Sequence[str] = ()) -> Iterator[Postgres]:
    """A running standby that follows a primary."""
    with folder_for("postgres") as folder:
        server = Postgres(folder, free_port(), settings=settings)
        server.follow(primary, name)
        server.start()
        try:
            yield server
        finally:
            server.stop()


PGBOUNCER = """
[databases]
* = host={host} port={database_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 1000
default_pool_size = 20
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
admin_users = postgres
"""


@contextlib.contextmanager
def pgbouncer(database: Postgres) -> Iterator[Server]:
    """PgBouncer in transaction mode before a PostgreSQL."""
    program = binary("pgbouncer")
    with folder_for("postgres") as folder:
        port = free_port()
        file = folder / "pgbouncer.ini"
        # With auth_type `any` every database needs its user named here.
        text = PGBOUNCER.format(host=database.host, database_port=f"{database.port} user=postgres", port=port)
        file.write_text(text, "utf-8")
        file.chmod(0o644)
        server = Server(as_user("postgres", [program, str(file)]), port=port, folder=folder, name="pgbouncer")
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGINT)


class Redis(Server):
    """Redis, keeping nothing on disk."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        fixed = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        super().__init__([binary("redis-server"), *fixed, *options], port=port, folder=folder, name=f"redis-{port}")

    def ask(self, *words: str) -> str:
        """What redis-cli prints."""
        command = [binary("redis-cli"), "-p", str(self.port), *words]
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"redis://127.0.0.1:{self.port}/0"


@contextlib.contextmanager
def redis() -> Iterator[Redis]:
    """One Redis."""
    binary("redis-server")
    with folder_for("nobody") as folder:
        server = Redis(folder, free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def redis_cluster() -> Iterator[list[Redis]]:
    """Three masters and three replicas."""
    binary("redis-server")
    with folder_for("nobody") as folder, contextlib.ExitStack() as stop:
        nodes = []
        for _ in range(CLUSTER_NODES):
            port = free_port()
            while port > 55_000:  # the cluster's own port is 10,000 above
                port = free_port()
            options = (
                "--cluster-enabled",
                "yes",
                "--cluster-config-file",
                f"nodes-{port}.conf",
                "--cluster-node-timeout",
                "2000",
            )
            home = folder / str(port)
            home.mkdir()
            node = Redis(home, port, *options)
            node.start()
            stop.callback(node.stop)
            nodes.append(node)
        addresses = [f"127.0.0.1:{node.port}" for node in nodes]
        create = [binary("redis-cli"), "--cluster", "create", *addresses, "--cluster-replicas", "1", "--cluster-yes"]
        subprocess.run(create, check=True, capture_output=True)
        wait_for(lambda: all("cluster_state:ok" in node.ask("cluster", "info") for node in nodes), "the cluster")
        # A replica that has not yet copied its master never takes over from it.
        wait_for(lambda: sum("master_link_status:up" in node.ask("info", "replication") for node in nodes) == 3, "replicas")
        yield nodes


@contextlib.contextmanager
def redis_sentinel(master: Redis) -> Iterator[int]:
    """A sentinel that watches a master under the name `main`; its port."""
    program = binary("redis-server")
    with folder_for("nobody") as folder:
        port = free_port()
        file = folder / "sentinel.conf"
        watch = f"sentinel monitor main 127.0.0.1 {master.port} 1\n"
        file.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n{watch}", "utf-8")
        server = Server([program, str(file), "--sentinel"], port=port, folder=folder, name="sentinel")
        server.start()
        try:
            yield port
        finally:
            server.stop()


def cluster_url(nodes: Sequence[Redis]) -> str:
    """Where to connect to a cluster."""
    return f"redis+cluster://127.0.0.1:{nodes[0].port}"


@contextlib.contextmanager
def nginx(text: str, port: int) -> Iterator[Server]:
    """Run nginx with a whole configuration, which says `{folder}` where nginx may write."""
    program = binary("nginx")
    with folder_for("nobody") as folder:
        file = folder / "nginx.conf"
        file.write_text(text.replace("{folder}", str(folder)), "utf-8")
        server = Server(
            [program, "-p", str(folder), "-c", str(file), "-g", "daemon off;"], port=port, folder=folder, name="nginx"
        )
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)


class Cable:
    """A network of its own for some processes, with a cable to this machine that can be pulled out."""

    name, outside, inside = "aragora-test", "aragora-out", "aragora-in"
    address, network = "10.213.77.1", "10.213.77.0/30"

    @property
    def wrap(self) -> tuple[str, ...]:
        """What goes before a command that is to run inside."""
        return (binary("ip"), "netns", "exec", self.name)

    def plug(self, state: str) -> None:
        """Pull the cable out with `down`: packets vanish, and nobody is told. `up` plugs it in again."""
        subprocess.run([binary("ip"), "link", "set", self.outside, state], check=True, capture_output=True)


@contextlib.contextmanager
def cable() -> Iterator[Cable]:
    """Lay a cable; skipped where we may not."""
    import pytest  # noqa: PLC0415  # not needed by those who only start servers

    if os.getuid() != 0:
        pytest.skip("networks of one's own are for root")
    line, program = Cable(), binary("ip")

    def ip(*words: str) -> None:
        subprocess.run([program, *words], check=True, capture_output=True)

    ip("netns", "add", line.name)
    try:
        ip("link", "add", line.outside, "type", "veth", "peer", "name", line.inside)
        ip("link", "set", line.inside, "netns", line.name)
        ip("addr", "add", f"{line.address}/30", "dev", line.outside)
        ip("link", "set", line.outside, "up")
        ip("-n", line.name, "addr", "add", "10.213.77.2/30", "dev", line.inside)
        for device in (line.inside, "lo"):
            ip("-n", line.name, "link", "set", device, "up")
        yield line
    finally:
        ip("netns", "del", line.name)


@contextlib.contextmanager
def prometheus(port: int, folder: Path, *, alerts_after: str = "") -> Iterator[str]:
    """Prometheus with our rules and our configuration, watching 127.0.0.1:port twice a second; its address.

    `alerts_after` takes the place of how long each alert's condition must hold.
    """
    text = (RULES / "prometheus.yml").read_text("utf-8").replace("localhost:8080", f"127.0.0.1:{port}")
    config = folder / "prometheus.yml"
    config.write_text(
        re.sub(r"_interval: \w+", "_interval: 500ms", text).replace("500ms\n", "500ms\n  scrape_timeout: 500ms\n", 1)
    )
    rules = (RULES / "rules.yml").read_text("utf-8")
    (folder / "rules.yml").write_text(re.sub(r"for: \w+", f"for: {alerts_after}", rules) if alerts_after else rules)
    command = [binary("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", "--log.format=json"]
    with subprocess.Popen([*command, "--web.listen-address=127.0.0.1:0"], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = next(found[1] for line in process.stderr if (found := re.search(r"(127\.0\.0\.1:[1-9]\d*)", line)))
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield f"http://{address}"
        finally:
            process.terminate()


def prometheus_answers(address: str, path: str, **query: str) -> Any:
    """The data of an answer of Prometheus; nothing while it starts."""
    try:
        with urlopen(f"{address}/api/v1/{path}?{urlencode(query)}", timeout=5) as reply:
            return json.load(reply)["data"]
    except OSError:
        return {}
