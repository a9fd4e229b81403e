"""What a fleet for so many users needs, from what was measured. Imports nothing of ours.

Costs are of one process on the machine that docs/PERFORMANCE.md describes; behaviour of users is assumed, and printed as such.
"""

from dataclasses import dataclass
from math import ceil

# How people are assumed to behave.
WATCHING = 1.0  # WebSockets of one user
REQUESTS_PER_S = 0.05  # of one user: a page every 20 seconds
DEBATES_PER_USER = 20
RUNNING = 0.01  # debates that run at the same time, per user
TURNS_PER_S = 0.5  # of one running debate: six calls of a model at once, 12 s each

# What was measured, on PostgreSQL (docs/DATABASE.md says how).
WS_KB = 39  # a watcher: its socket, its task and its place in a window
DEBATE_KB = 112  # a running debate in a worker
PROCESS_MB = 90
API_REQUESTS_PER_CORE = 1_200  # a list costs 1.1 ms, a log 0.7, a creation 1.0, a leaderboard 0.4; the database's share is extra
DELIVERIES_PER_CORE = 20_000  # 47 us each
TURNS_PER_CORE = 1_400  # 0.7 ms each, beside what models cost
EVENTS_PER_DB_CORE = 1_200  # what a fleet and its database wrote together on two cores
DEBATE_DISK_KB = 44  # a debate of 24 turns of demo agents, with its log, messages, votes and indexes
WS_PER_PROCESS = 5_000
RUNNING_PER_PROCESS = 200
LOAD = 0.6  # a core is planned to be this busy, so that one process may be away
POOL = 8
WATCHERS_PER_DEBATE_EVENT = 1.0

# Concurrent users: instances, cores, memory in GB, as the specification plans them.
PLANNED = ((100, 1, 4, 8), (500, 2, 8, 16), (2_000, 4, 16, 32), (10_000, 8, 32, 64), (50_000, 16, 64, 128))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is needed."""

    api: int
    ws: int
    workers: int
    cores: float
    database_cores: float
    memory_gb: float
    connections: int
    disk_gb: float

    @property
    def processes(self) -> int:
        """All of them."""
        return self.api + self.ws + self.workers


def planned(users: int, debates: int) -> Plan:
    """The least fleet that carries the load, with one process to spare in each tier."""
    running = users * RUNNING
    turns_per_s = running * TURNS_PER_S
    deliveries_per_s = turns_per_s / max(1.0, running) * users * WATCHING * WATCHERS_PER_DEBATE_EVENT
    api_cores = users * REQUESTS_PER_S / API_REQUESTS_PER_CORE
    ws_cores = deliveries_per_s / DELIVERIES_PER_CORE
    worker_cores = turns_per_s / TURNS_PER_CORE
    api = 1 + ceil(api_cores / LOAD)
    ws = 1 + max(ceil(ws_cores / LOAD), ceil(users * WATCHING / WS_PER_PROCESS))
    workers = 1 + max(ceil(worker_cores / LOAD), ceil(running / RUNNING_PER_PROCESS))
    memory_kb = users * WATCHING * WS_KB + running * DEBATE_KB
    return Plan(
        api=api,
        ws=ws,
        workers=workers,
        cores=(api_cores + ws_cores + worker_cores) / LOAD,
        database_cores=(turns_per_s + users * REQUESTS_PER_S / 2) / EVENTS_PER_DB_CORE / LOAD,
        memory_gb=((api + ws + workers) * PROCESS_MB + memory_kb / 1000) / 1000,
        connections=(api + ws + workers) * POOL,
        disk_gb=debates * DEBATE_DISK_KB / 1e6,
    )


def page(users: int, debates: int) -> str:
    """The plan as text, beside the specification's."""
    found = planned(users, debates)
    known = next((row for row in PLANNED if users <= row[0]), PLANNED[-1])
    return f"""\
{users} users at once, {users * RUNNING:.0f} debates running, {debates} debates kept

processes     {found.processes}: {found.api} api, {found.ws} ws, {found.workers} worker (one of each to spare)
cores         {found.cores:.1f} for them, {found.database_cores:.1f} for PostgreSQL
memory        {found.memory_gb:.1f} GB for them
connections   {found.connections} to PgBouncer ({POOL} each), 50 from there to PostgreSQL
database      {found.disk_gb:.1f} GB

The specification plans {known[1]} instances, {known[2]} cores and {known[3]} GB for up to {known[0]} users.

Assumed: {WATCHING:g} WebSocket and {REQUESTS_PER_S:g} requests/s of each user, one debate running for {1 / RUNNING:.0f} users
with {TURNS_PER_S:g} turns/s. Measured: {WS_KB} kB a watcher, {DEBATE_KB} kB a running debate, {PROCESS_MB} MB a process,
{API_REQUESTS_PER_CORE} requests/s, {DELIVERIES_PER_CORE} deliveries/s and {TURNS_PER_CORE} turns/s a core,
{DEBATE_DISK_KB} kB of disk a debate; cores are planned to be {LOAD:.0%} busy."""
