"""What the public client can ask, and what of it is asked here: one row for each method, run by both of its clients.

Also the source of docs/reference/sdk.md: a method that has a row here is served; one that has none is not, and the page says so.
"""

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NAMESPACES = ("debates", "agents", "leaderboard", "ranking", "auth", "memory", "health", "search", "batch", "matches", "history")
# Why what is not served is not.
WHY = (
    "This server sends no mail, so passwords are not reset by it, addresses not verified and nobody invited; whoever",
    "runs it sets a password with `aragora users`. It knows no organizations, no second factors and no logins by",
    "others. Agents have one rating and no domains, personas that vote, calibration or moods. Memory has three tiers",
    "and the words that are in it, no vectors, snapshots or archive. There is no publishing, no red team, no graph of",
    "arguments, and no intervention but suggestions, pause and cancel. What a debate ended in can be checked by its",
    "receipt (`/api/debates/{id}/receipt`) and counted again (`/decisions`).",
)
PASSWORD = "correct horse battery"
TOPIC = "Should the conformance test come first?"


@dataclass
class World:
    """What the calls refer to."""

    debate: str  # ended
    running: str  # takes long
    spare: str  # ended; to be archived
    doomed: str  # ended; to be deleted
    stored: str  # not started
    slug: str
    agent: str
    other: str
    batch: str
    memory: str
    match: str
    share: str  # the token of a link to the debate that is not started
    email: str  # whose token the client has
    token: str
    refresh: str  # of another session
    session: str  # a third one, to be ended
    key: str  # to be deleted


@dataclass(frozen=True)
class Call:
    """A method, what it is called with, and what must be so of the answer."""

    name: str  # namespace.method
    given: Callable[[World], tuple[tuple[Any, ...], Mapping[str, Any]]]
    good: Callable[[Any, World], bool]


def call(name: str, good: Callable[[Any, World], bool], given: Callable[[World], Any] | None = None, **named: Any) -> Call:
    """A row; `given` makes the positional arguments."""

    def arguments(world: World) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        found = given(world) if given else ()
        return (found if isinstance(found, tuple) else (found,)), named

    return Call(name, arguments, good)


def _list_of(name: str) -> Callable[[Any, World], bool]:
    """An answer that has its rows under a name and under `items`, and says how many there are."""
    return lambda answer, _: bool(answer[name] == answer["items"] and answer["total"] >= len(answer[name]))


def _rows_of(name: str) -> Callable[[Any, World], bool]:
    """As above, and there is at least one row."""
    return lambda answer, _: bool(answer[name] and answer[name] == answer["items"] and answer["total"] >= 1)


def _of_debate(field: str) -> Callable[[Any, World], bool]:
    return lambda answer, world: bool(answer["debate_id"] == world.debate and field in answer)


def _debate(world: World) -> str:
    return world.debate


def _login(world: World) -> tuple[str, str]:
    return world.email, PASSWORD


def _new(answer: Any, _: World) -> bool:
    return bool(
        answer["success"] and answer["debate_id"] == answer["id"] and answer["status"] in {"pending", "active", "completed"}
    )


CALLS: tuple[Call, ...] = (
    call("debates.create", _new, lambda w: TOPIC, agents=["demo", "demo"], rounds=1, consensus="majority"),
    call("debates.quick_debate", _new, lambda w: TOPIC, agents="demo,demo", rounds=1),
    call("debates.debate_this", _new, lambda w: TOPIC, context="None.", source="test"),
    call("debates.list", _rows_of("debates"), limit=5, status="completed"),
    call("debates.list_active", _list_of("debates")),
    call("debates.list_archived", _list_of("debates")),
    call(
        "debates.get",
        lambda a, w: a["id"] == w.debate and a["status"] == "completed" and a["consensus"]["final_answer"] != "",
        _debate,
    ),
    call("debates.get_by_slug", lambda a, w: a["id"] == w.debate, lambda w: w.slug),
    call(
        "debates.update",
        lambda a, w: a["success"] and a["debate"]["title"] == "T" and a["updated_fields"] == ["title", "tags"],
        _debate,
        title="T",
        tags=["x"],
        status="failed",
    ),
    call("debates.delete", lambda a, w: a["deleted"] and a["id"] == w.doomed, lambda w: w.doomed),
    call("debates.get_messages", lambda a, w: a["messages"][0]["content"] != "" and a["total"] == len(a["messages"]), _debate),
    call("debates.add_message", lambda a, w: a["content"] == "Cost?" and a["role"] == "user", lambda w: (w.running, "Cost?")),
    call("debates.add_user_input", lambda a, w: a["content"] == "Speed?", lambda w: (w.running, "Speed?")),
    call(
        "debates.get_rounds", lambda a, w: a["rounds"][0]["tally"]["eligible"] == 2 and a["rounds"][0]["messages"] != [], _debate
    ),
    call("debates.get_votes", _rows_of("votes"), _debate),
    call("debates.get_agents", lambda a, w: [each["name"] for each in a["agents"]] == ["demo:optimist", "demo:sceptic"], _debate),
    call("debates.get_consensus", _of_debate("agreement"), _debate),
    call("debates.get_convergence", lambda a, w: a["by_round"][-1]["agreement"] == a["agreement"], _debate),
    call("debates.get_summary", lambda a, w: a["topic"] == TOPIC and a["summary"] != "", _debate),
    call(
        "debates.get_timeline",
        lambda a, w: a["timeline"][0]["type"] == "debate_start" and a["timeline"][-1]["type"] == "debate_end",
        _debate,
    ),
    call("debates.get_package", lambda a, w: a["debate"]["id"] == w.debate and a["rounds"] != [], _debate),
    call("debates.get_public_debate", lambda a, w: a["id"] == w.debate, _debate),
    call("debates.get_positions", _rows_of("positions"), _debate),
    call("debates.get_costs", lambda a, w: a["turns"] > 0 and a["total_cost_usd"] == 0, _debate),
    call("debates.get_metadata", _of_debate("slug"), _debate),
    call("debates.get_events", lambda a, w: a["events"][0]["seq"] == 3 and a["next_seq"] >= 3, _debate, since=2, limit=5),
    call("debates.get_followup_suggestions", _list_of("suggestions"), _debate),
    call("debates.get_export", lambda a, w: a["debate"]["id"] == w.debate and a["rounds"] != [], _debate, format="json"),
    call("debates.export_format", lambda a, w: a["debate"]["id"] == w.debate, _debate, format="json"),
    call("debates.start", lambda a, w: a["success"] and a["status"] in {"pending", "active", "completed"}, lambda w: w.stored),
    call("debates.pause", lambda a, w: a["status"] == "paused", lambda w: w.running),
    call("debates.resume", lambda a, w: a["status"] in {"pending", "active"}, lambda w: w.running),
    call("debates.stop", lambda a, w: a["status"] == "cancelled", lambda w: w.running),
    call("debates.cancel", lambda a, w: a["success"] and a["status"] == "cancelled", lambda w: w.running),
    call("debates.archive", lambda a, w: a["success"], lambda w: w.spare),
    call("debates.archive_batch", lambda a, w: a["archived"] == [] and a["skipped"] == [w.spare], lambda w: [w.spare]),
    call("debates.clone", _new, _debate, rounds=1),
    call("debates.fork", _new, lambda w: (w.debate, {"rounds": 2})),
    call("debates.list_forks", _rows_of("forks"), _debate),
    call("debates.follow_up", _new, _debate, context="More."),
    call("debates.compare", lambda a, w: a["count"] == 2 and a["same_topic"], lambda w: [w.debate, w.spare]),
    call(
        "debates.search", lambda a, w: w.debate in {each["id"] for each in a["results"]}, lambda w: "conformance first", limit=100
    ),
    call(
        "debates.submit_batch",
        lambda a, w: a["accepted"] == 2 and len(a["debate_ids"]) == 2,
        lambda w: [{"task": TOPIC, "agents": ["demo"], "rounds": 1}] * 2,
    ),
    call("debates.get_batch_status", lambda a, w: a["batch_id"] == w.batch and a["total"] == 1, lambda w: w.batch),
    call("debates.list_batches", _rows_of("batches")),
    call("debates.get_queue_status", lambda a, w: a["running_max"] >= 1 and a["running"] >= 0),
    call(
        "debates.estimate_cost",
        lambda a, w: a["calls"] == 14 and a["estimated_cost_usd"] == 0,
        num_agents=2,
        num_rounds=2,
        model_types=["demo"],
    ),
    call("debates.get_statistics", lambda a, w: a["total"] == sum(a["by_status"].values())),
    call("debates.get_stats", lambda a, w: a["total"] >= 1),
    call("debates.get_history", _rows_of("debates"), limit=3),
    call("agents.list", lambda a, w: w.agent in {each["name"] for each in a["agents"]}),
    call(
        "agents.get_profile", lambda a, w: a["name"] == w.agent and a["matches"] >= 1 and a["opponents"] != [], lambda w: w.agent
    ),
    call("agents.get_elo", lambda a, w: a["rated"] and a["elo"] > 0, lambda w: w.agent),
    call(
        "agents.compare_agents",
        lambda a, w: a["agent1"]["agent"] == w.agent and a["head_to_head"]["matches"] >= 1,
        lambda w: (w.agent, w.other),
    ),
    call("agents.compare_leaderboard", lambda a, w: a["agent2"]["agent"] == w.other, lambda w: (w.agent, w.other)),
    call(
        "agents.get_head_to_head",
        lambda a, w: a["matches"] == a["agent_wins"] + a["opponent_wins"] + a["draws"] >= 1,
        lambda w: (w.agent, w.other),
    ),
    call("agents.get_rivals", _rows_of("rivals"), lambda w: w.agent),
    call("agents.get_network", _rows_of("opponents"), lambda w: w.agent),
    call("agents.get_recent_matches", _rows_of("matches"), limit=5),
    call("agents.get_rankings", _rows_of("rankings")),
    call("agents.get_leaderboard", _rows_of("rankings")),
    call("agents.get_agent_leaderboard", _rows_of("rankings")),
    call("agents.list_health", lambda a, w: a["agents"][0]["health"]["state"] == "closed"),
    call("agents.list_availability", _rows_of("agents")),
    call("leaderboard.get_rankings", _rows_of("rankings"), limit=5, offset=0, min_debates=1),
    call("leaderboard.get_view", lambda a, w: a["rankings"] != [] and a["stats"]["total_agents"] >= 2),
    call("ranking.list", lambda a, w: w.agent in {each["agent"] for each in a}),
    call("ranking.get_stats", lambda a, w: a["total_agents"] >= 2 and a["highest_elo"] >= a["lowest_elo"]),
    call("ranking.get_top", lambda a, w: bool(a), n=2),
    call("ranking.get_recently_active", lambda a, w: bool(a)),
    call("ranking.get_leaderboard", _rows_of("rankings")),
    call(
        "memory.store",
        lambda a, w: a["success"] and a["tier"] == "medium",
        lambda w: "Conformance is a habit.",
        tier="medium",
        importance=0.4,
    ),
    call("memory.search", lambda a, w: w.memory in {each["id"] for each in a["results"]}, lambda w: "remember conform"),
    call(
        "memory.retrieve_continuum",
        lambda a, w: w.memory in {each["id"] for each in a["memories"]},
        lambda w: "remember",
        limit=100,
    ),
    call("memory.retrieve_from_continuum", lambda a, w: bool(a), lambda w: "remember", limit=100),
    call("memory.list_entries", _rows_of("entries"), limit=100),
    call("memory.list_tiers", lambda a, w: [each["ttl_seconds"] for each in a["tiers"]] == [60, 3600, None]),
    call("memory.tiers", lambda a, w: bool(a)),
    call("memory.get_tier", lambda a, w: a["id"] == "fast", lambda w: "fast"),
    call("memory.get_tier_stats", lambda a, w: a["total_memories"] >= 1),
    call("memory.stats", lambda a, w: a["total_entries"] == sum(a["by_tier"].values()) >= 1),
    call("memory.get_pressure", lambda a, w: a["status"] == "normal" and 0 <= a["pressure"] < 1),
    call("memory.consolidate", lambda a, w: a["success"] and a["entries_processed"] >= 0),
    call("memory.promote", lambda a, w: (a["previous_tier"], a["new_tier"]) == ("medium", "slow"), lambda w: w.memory),
    call("memory.demote", lambda a, w: (a["previous_tier"], a["new_tier"]) == ("slow", "medium"), lambda w: w.memory),
    call("memory.move", lambda a, w: a["new_tier"] == "fast", lambda w: (w.memory, "fast")),
    call("memory.promote_entry", lambda a, w: a["new_tier"] == "medium", lambda w: (w.memory, "medium")),
    call("memory.delete_entry", lambda a, w: a["success"], lambda w: w.memory),
    call("memory.list_critiques", _rows_of("critiques"), limit=5),
    call("memory.critiques", lambda a, w: bool(a)),
    call("health.check", lambda a, w: a["status"] == "healthy" and a["version"] != ""),
    call("health.detailed", lambda a, w: a["status"] == "healthy" and a["figures"]["debates_total"] >= 1),
    call("health.database", lambda a, w: a["checks"]["database"] == "ok"),
    call("health.deep", lambda a, w: a["checks"] == {"database": "ok", "engine": "ok", "disk": "ok"}),
    call("health.components", lambda a, w: a["components"]["database"] == "ok"),
    call("health.startup", lambda a, w: a["status"] == "healthy"),
    call("health.circuits", lambda a, w: a["status"] == "healthy" and a["providers"][0]["state"] == "closed"),
    call("health.job_queue_status", lambda a, w: a["queued_max"] >= a["queued"]),
    call("health.slow_debates", _list_of("debates")),
    call("search.search", lambda a, w: w.debate in {each["id"] for each in a["results"]}, lambda w: "conformance", limit=100),
    call("search.search_debates", lambda a, w: a["total"] >= 1, lambda w: "conformance"),
    call("batch.submit_debates", lambda a, w: a["accepted"] == 1, lambda w: [{"task": TOPIC, "agents": ["demo"], "rounds": 1}]),
    call("batch.submit", lambda a, w: a["accepted"] == 1, lambda w: [{"task": TOPIC, "agents": ["demo"], "rounds": 1}]),
    call("batch.get_queue_status", lambda a, w: a["running_max"] >= a["running"]),
    call("batch.get_status", lambda a, w: a["batch_id"] == w.batch, lambda w: w.batch),
    call("batch.get_results", lambda a, w: a["debate_ids"] != [], lambda w: w.batch),
    call("batch.list", _rows_of("batches")),
    call("matches.list_recent", _rows_of("matches")),
    call("matches.get", lambda a, w: a["id"] == w.match, lambda w: w.match),
    call("debates.share", lambda a, w: a["visibility"] == "shared" and a["token"] != "", lambda w: w.spare),
    call("debates.revoke_share", lambda a, w: a["revoked"] == 1 and a["visibility"] == "private", lambda w: w.spare),
    call("debates.get_shared", lambda a, w: a["id"] == w.stored, lambda w: w.share),
    call("auth.register", lambda a, w: a["user"]["email"] == f"new-{w.email}", lambda w: (f"new-{w.email}", PASSWORD, "New")),
    call("auth.login", lambda a, w: a["user"]["email"] == w.email and a["tokens"]["token_type"] == "Bearer", _login),
    call("auth.refresh_token", lambda a, w: a["access_token"] == a["tokens"]["access_token"] != w.token, lambda w: w.refresh),
    call("auth.get_profile", lambda a, w: a["user"]["email"] == w.email),
    call("auth.get_active_sessions", _rows_of("sessions")),
    call("auth.get_current_user", lambda a, w: a["user"]["email"] == w.email and a["organization"] is None),
    call("auth.update_profile", lambda a, _: a["user"]["preferences"] == {"theme": "dark"}, preferences={"theme": "dark"}),
    call("auth.list_sessions", lambda a, w: w.session in {each["id"] for each in a["sessions"]} and a["total"] >= 3),
    call("auth.revoke_session", lambda a, w: a["deleted"] and a["id"] == w.session, lambda w: w.session),
    call("auth.create_api_key", lambda a, _: a["api_key"].startswith(a["prefix"]), lambda _: "laptop", scopes=["read"]),
    call("auth.list_api_keys", lambda a, w: a["count"] == 2 and w.key in {each["prefix"] for each in a["keys"]}),
    call("auth.revoke_api_key", lambda a, w: a["deleted"] and a["id"] == w.key, lambda w: w.key),
    call("auth.change_password", lambda a, _: a["success"], lambda _: (PASSWORD, "another passphrase")),
    call("auth.logout", lambda a, _: a["success"]),
    call("history.list_debates", lambda a, w: len(a) == 2, limit=2, offset=0),
    call("history.get_agent_history", lambda a, w: w.agent in a[0]["participants"], lambda w: w.agent),
)

# Iterators and streams, which have tests of their own.
ELSEWHERE = ("debates.list_all", "agents.list_all")


def methods() -> Iterator[str]:
    """Every public method of the namespaces, read from the client's own source."""
    found = find_spec("aragora_sdk")
    assert found is not None
    assert found.origin is not None
    for namespace in NAMESPACES:
        tree = ast.parse((Path(found.origin).parent / f"namespaces/{namespace}.py").read_text("utf-8"))
        classes = [each for each in tree.body if isinstance(each, ast.ClassDef)]
        chosen = next(each for each in classes if each.name.endswith("API") and not each.name.startswith("Async"))
        for each in chosen.body:
            if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
                yield f"{namespace}.{each.name}"


def page() -> str:
    """The reference page."""
    tried = {each.name for each in CALLS} | set(ELSEWHERE)
    every = [*methods()]
    lines = [
        "# The public client, method by method",
        "",
        f"Generated from `tests/conformance/sdk_calls.py` by `make docs`, for `aragora-sdk` {version('aragora-sdk')}.",
        "",
        "Each method listed as served is called by `tests/conformance/test_sdk.py`, unchanged, with both the client for threads",
        "and the one for asyncio, over HTTP against a real server, and its answer is looked at. A method that is not served",
        "answers 404 (`NotFoundError`). Its iterators, error classes and WebSocket have tests of their own in the same file.",
        "",
        "| Namespace | Methods | Served | Not served |",
        "|---|---|---|---|",
    ]
    for namespace in NAMESPACES:
        mine = [name for name in every if name.startswith(f"{namespace}.")]
        served = [name for name in mine if name in tried]
        lines.append(f"| {namespace} | {len(mine)} | {len(served)} | {len(mine) - len(served)} |")
    for title, why, names in (
        ("Served", (), [name for name in every if name in tried]),
        ("Knowingly not served", (*WHY, ""), [name for name in every if name not in tried]),
    ):
        lines += ["", f"## {title}", "", *why]
        for namespace in NAMESPACES:
            mine = [f"`{name.partition('.')[2]}`" for name in names if name.startswith(f"{namespace}.")]
            lines += [f"- **{namespace}**: {', '.join(mine)}"] if mine else []
    return "\n".join(lines) + "\n"


def is_awaitable(answer: object) -> bool:
    """Whether a method has to be awaited."""
    return inspect.isawaitable(answer)
