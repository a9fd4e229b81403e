"""docs/PERFORMANCE.md: a row for each of the specification's figures, and nothing named in it that is not there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from aragora.cli import main
from aragora.config import Settings, env_name

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/PERFORMANCE.md").read_text("utf-8")
# The load files and long tests read these; they are no settings of the server.
OF_TESTS = {"ARAGORA_LOAD_PROFILE", "ARAGORA_WS_USERS", "ARAGORA_TEST_LONG_ROUNDS"}
# What each row of the specification's tables holds, in its order.
FIGURES = """
API p50 latency|< 100ms|< 200ms
API p99 latency|< 500ms|< 2000ms
WebSocket connect|< 200ms|< 500ms
Debate round time|< 30s|< 60s
Availability|99.9%|99.5%
Error rate|< 0.1%|< 1%
Health check|5,000|2|10
List debates|1,200|15|50
Get debate|2,500|8|30
Create debate|200|45|150
Cast vote|800|20|80
WebSocket message|3,000|5|25
2|3|45s|150MB
3|3|60s|200MB
4|3|90s|280MB
5|5|180s|400MB
Base process|120MB
Debate context|-|50MB|200MB
Agent state|-|30MB/agent|150MB
Cache (fast tier)|20MB|-|100MB
Cache (medium tier)|50MB|-|500MB
WebSocket connections|-|1MB/100 conn
Development|2 cores|4GB|10GB|10 Mbps
Production (small)|4 cores|8GB|50GB|100 Mbps
Production (medium)|8 cores|16GB|100GB|1 Gbps
Production (large)|16 cores|32GB|500GB|10 Gbps
100|1|4 cores|8GB
500|2|8 cores|16GB
2,000|4|16 cores|32GB
10,000|8|32 cores|64GB
50,000|16|64 cores|128GB
1,000|100|50MB|SQLite
10,000|1,000|500MB|SQLite + WAL
100,000|10,000|5GB|PostgreSQL
1,000,000|100,000|50GB|PostgreSQL + replicas
GET /api/health|5,247|1.8|8.2|0.00%
GET /api/debates|1,156|14.2|52.1|0.01%
GET /api/debates/:id|2,489|7.9|31.4|0.00%
POST /api/debates|187|48.2|162.3|0.02%
POST /api/debates/:id/vote|823|19.1|78.6|0.01%
GET /api/leaderboard|892|18.4|65.2|0.00%
GET /api/agents|645|24.8|89.1|0.00%
WS /ws (connect)|1,024|9.2|42.1|0.05%
WS /ws (message)|3,156|4.1|18.9|0.00%
1|45s|280MB|15%|0.0%
5|52s|650MB|45%|0.0%
10|68s|1.2GB|72%|0.1%
20|95s|2.1GB|89%|0.5%
50|145s|4.8GB|98%|2.1%
Anthropic|claude-sonnet|2,500|8,000|60 RPM
Anthropic|claude-haiku|1,200|4,000|100 RPM
OpenAI|gpt-4o|3,000|12,000|60 RPM
OpenAI|gpt-4o-mini|800|3,000|200 RPM
Google|gemini-pro|2,000|7,000|60 RPM
Mistral|mistral-large|2,200|8,500|50 RPM
Auth middleware|2ms|4%
Request parsing|3ms|6%
Validation|2ms|4%
Database read|5ms|10%
Business logic|8ms|17%
Database write|15ms|31%
Response serialize|3ms|6%
Network overhead|10ms|21%
Context preparation|500ms|3%
Agent 1 LLM call|4,500ms|30%
Agent 2 LLM call|4,200ms|28%
Agent 3 LLM call|4,800ms|32%
Consensus check|200ms|1%
Memory update|300ms|2%
Event broadcast|100ms|1%
Overhead|400ms|3%
`debate_start`|2|5|7
`agent_message`|3|8|11
`round_complete`|2|6|8
`vote_cast`|1|4|5
`debate_end`|2|5|7
minReplicas|2
maxReplicas|20
CPU target|70
memory target|80
`PRAGMA journal_mode`|WAL
`PRAGMA synchronous`|NORMAL
`PRAGMA cache_size`|-64000
`PRAGMA busy_timeout`|5000
`pool_mode`|transaction
`max_client_conn`|1000
`default_pool_size`|50
`min_pool_size`|10
`reserve_pool_size`|10
`keepalive`|32
`proxy_read_timeout`|3600s
`ARAGORA_MAX_CONNECTIONS`|1000
`ARAGORA_CONNECTION_TIMEOUT`|30
`ARAGORA_WORKERS`|4
`ARAGORA_THREAD_POOL_SIZE`|20
`ARAGORA_CACHE_MAX_ENTRIES`|10000
`ARAGORA_CACHE_TTL_FAST`|60
`ARAGORA_CACHE_TTL_MEDIUM`|3600
`ARAGORA_DB_POOL_SIZE`|20
`ARAGORA_DB_MAX_OVERFLOW`|10
`ARAGORA_DB_POOL_TIMEOUT`|30
`ARAGORA_RATE_LIMIT_DEFAULT`|100
`ARAGORA_RATE_LIMIT_AUTH`|10
`ARAGORA_RATE_LIMIT_DEBATES`|30
`MAX_CONTEXT_TOKENS`|8000
`MAX_HISTORY_ROUNDS`|5
`gc.set_threshold`|50000, 500, 100
`idx_debates_created_at`
`idx_debates_status`
`idx_votes_debate_id`
`idx_messages_debate_round`
`idx_users_email`
`net.netfilter.nf_conntrack_max`|1000000
`net.core.rmem_max`|16777216
`net.core.wmem_max`|16777216
`net.core.somaxconn`|65535
`net.ipv4.tcp_max_syn_backlog`|65535
`net.ipv4.tcp_fastopen`|3
`net.ipv4.tcp_tw_reuse`|1
`aragora_request_duration_seconds`|Histogram|p99 > 2s
`aragora_request_total`|Counter|Error rate > 1%
`aragora_active_debates`|Gauge|> 100
`aragora_db_connections`|Gauge|> 80% pool
`aragora_memory_bytes`|Gauge|> 80% limit
`aragora_cpu_usage`|Gauge|> 80% sustained
`aragora_ws_connections`|Gauge|> 1000/instance
`rate(aragora_request_total[5m])`
`sum(rate(aragora_request_total{status=~"5.."}[5m])) / sum(rate(aragora_request_total[5m]))`
`histogram_quantile(0.99, rate(aragora_request_duration_seconds_bucket[5m]))`
`aragora_active_debates`
`aragora_memory_bytes / aragora_memory_limit_bytes * 100`
Request Rate|graph
Latency p50/p99|graph
Error Rate|stat
Active Debates|gauge
"""


def rows() -> list[list[str]]:
    """The page's table rows, cell by cell."""
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]


def named(pattern: str) -> set[str]:
    """What the page names."""
    return set(re.findall(pattern, PAGE))


METRICS = r"\b(aragora_(?:[a-z]+_)*[a-z]+)\b(?!\.)"
KINDS = {
    r"`make ([a-z-]+)": ("Makefile", r"^([a-z-]+):"),
    METRICS: ("docs/reference/metrics.md", r"^\| `(aragora_\w+)`"),
    r"`(Aragora[A-Z]\w+)`": ("deploy/prometheus/rules.yml", r"alert: (\w+)"),
    r"`(idx_\w+)`": ("src/aragora/store/migrations/0001_debates.sql", r"INDEX (idx_\w+)"),
}


@pytest.mark.parametrize("row", FIGURES.strip().splitlines())
def test_every_figure_of_the_specification_has_its_row(row: str) -> None:
    """With the specification's value in it, and something of ours behind."""
    wanted = row.split("|")
    found = [cells for cells in rows() if cells[: len(wanted)] == wanted]
    assert found, wanted
    assert any(len(cells) > len(wanted) for cells in found) or wanted[-1].endswith(" RPM")  # vendors could not be measured


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_named_exists(kind: str) -> None:
    """Commands, metrics and alerts."""
    file, pattern = KINDS[kind]
    known = set(re.findall(pattern, (ROOT / file).read_text("utf-8"), re.MULTILINE))
    found = {re.sub(r"_bucket$", "", name) for name in named(kind)}
    assert found
    assert set() == found - known


def test_every_command_and_setting_named_exists() -> None:
    """Of the command line, and of the server or the load files."""
    assert set() == named(r"`aragora ([a-z]+)") - set(main.commands)
    known = {env_name(each.name) for each in fields(Settings)}
    assert set() == named(r"\b(ARAGORA_[A-Z_]+[A-Z])\b") - known - OF_TESTS


def test_every_file_named_exists() -> None:
    """Scripts, tests and deployment files."""
    paths = named(r"`(?:pytest |python )?((?:benchmarks|deploy|tests|src|\.github)/[\w./-]+)")
    assert len(paths) > 10
    assert [] == sorted(path for path in paths if not (ROOT / path).exists())
    only = {name for names in named(r"--only ([a-z,]+)") for name in names.split(",")}
    assert [] == sorted(name for name in only if not (ROOT / f"benchmarks/{name}.py").exists())


def test_no_figure_is_left_open() -> None:
    """The page is written from a report; a figure that it lacked would be a question mark."""
    assert [] == [cells for cells in rows() if any("?" in cell for cell in cells)]
