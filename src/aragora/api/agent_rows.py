"""The rows of the route table about what agents did, and about memory. May import its siblings."""

from dataclasses import replace

from aragora.api import Endpoint, Param, agents, memories, records, strengths
from aragora.api.rows import LIMIT, PAGE, delete, get, post
from aragora.api.standings import AgentList, Leaderboard
from aragora.store.sums import JUDGES

SORT = (
    Param(name="sort_by", about="What to sort by.", choices=tuple(records.SORTS)),
    Param(name="order", about="Which end comes first.", choices=("desc", "asc")),
    Param(name="min_debates", about="Only agents with so many debates.", low=0, high=10**9),
)
JUDGED = Param(name="judged_by", about="Whose judgement counts: that of panels, or of people who watched.", choices=JUDGES)
PAIR = (Param(name="agent1", about="One agent."), Param(name="agent2", about="The other agent."))
FIRST = replace(LIMIT, about="How many of the first on the board.", low=2, high=strengths.MATRIX_MAX)
POINTS = replace(LIMIT, about="Newest points wanted.", high=strengths.POINTS_MAX)
Q = (Param(name="q", about="Words that must all be there."), Param(name="query", about="Another name for `q`."))
CHOSEN = (
    Param(name="tier", about="Tiers, with commas between them."),
    Param(name="tiers", about="Another name for `tier`."),
    Param(name="min_importance", about="From 0 to 1."),
)

ROWS: tuple[Endpoint, ...] = (
    get("/rankings", records.rankings, "Agents in the order asked for.", Leaderboard, *PAGE, *SORT),
    get("/ranking/stats", records.stats, "The ranking in a few figures.", records.RankingStats),
    get("/leaderboard/compare", records.compare, "Two agents side by side.", records.Comparison, *PAIR, errors=(404,)),
    get("/leaderboard-view", records.view, "The ranking and what led to it.", records.LeaderboardView),
    get("/agents/leaderboard", agents.leaderboard, "Agents by strength.", Leaderboard, *PAGE, JUDGED),
    get("/agents/health", agents.index, "Agents and how they have been.", AgentList, *PAGE),
    get("/agents/availability", agents.available, "Agents that can be asked.", AgentList, *PAGE),
    get("/agents/{name}/elo", records.elo, "An agent's rating.", records.EloReport),
    get("/agent/compare", records.compare, "Two agents side by side.", records.Comparison, *PAIR, errors=(404,)),
    get("/agent/{name}/profile", records.profile, "Who an agent is and where it stands.", records.Profile),
    get("/agent/{name}/history", records.history, "An agent's matches.", records.History, *PAGE),
    get("/agent/{name}/rivals", records.opponents, "Whom an agent met.", records.OpponentList),
    get("/agent/{name}/network", records.opponents, "Whom an agent met.", records.OpponentList),
    get("/agent/{name}/head-to-head/{other}", records.head_to_head, "Two agents against each other.", records.HeadToHead),
    get("/agent/{name}/ratings", strengths.history, "An agent's strength over time.", strengths.PointList, POINTS, JUDGED),
    get(
        "/agent/{name}/calibration-curve",
        strengths.curve,
        "Confidence beside what came true.",
        strengths.CalibrationCurve,
        JUDGED,
    ),
    get(
        "/agent/{name}/calibration-summary", strengths.summary, "How well confidence foretold.", strengths.CalibrationRow, JUDGED
    ),
    get("/calibration/leaderboard", strengths.calibrations, "Agents by calibration.", strengths.CalibrationList, *PAGE, JUDGED),
    get("/leaderboard/matrix", strengths.matrix, "Who beat whom.", strengths.Matrix, FIRST, JUDGED),
    get("/matches/recent", records.matches, "Matches, newest first.", records.MatchList, *PAGE),
    get("/matches/{match_id}", records.match, "One match.", records.MatchRow),
    post("/memory/store", memories.store, "Keep a text.", memories.Stored, body=memories.Remember, status=201, errors=(404,)),
    get("/memory/search", memories.search, "Search what is remembered.", memories.MemoryList, *Q, *CHOSEN, *PAGE),
    get("/memory/continuum/retrieve", memories.retrieve, "Recall for use.", memories.MemoryList, *Q, *CHOSEN, *PAGE),
    get("/memory/entries", memories.search, "What is remembered.", memories.MemoryList, *Q, *CHOSEN, *PAGE),
    get("/memory/tiers", memories.tiers, "Every tier and how full it is.", memories.TierTable),
    get("/memory/tier-stats", memories.tiers, "Every tier and how full it is.", memories.TierTable),
    get("/memory/stats", memories.tiers, "Every tier and how full it is.", memories.TierTable),
    get("/memory/tier/{tier}", memories.tier, "One tier.", memories.TierRow),
    get("/memory/pressure", memories.pressure, "How near the fullest tier is to its bound.", memories.Pressure),
    get(
        "/memory/critiques",
        memories.critiques,
        "Critiques, newest first.",
        memories.CritiqueList,
        Param(name="agent", about="Only of this seat."),
        *PAGE,
    ),
    post("/memory/continuum/consolidate", memories.consolidate, "Settle what is due.", memories.Consolidated),
    post(
        "/memory/{memory_id}/promote",
        memories.promote,
        "Keep a memory longer.",
        memories.Moved,
        body=memories.Target,
        body_needed=False,
    ),
    post(
        "/memory/{memory_id}/demote",
        memories.demote,
        "Keep a memory less long.",
        memories.Moved,
        body=memories.Target,
        body_needed=False,
    ),
    post(
        "/memory/{memory_id}/move",
        memories.promote,
        "Put a memory into a tier.",
        memories.Moved,
        body=memories.Target,
        body_needed=False,
    ),
    delete("/memory/continuum/{memory_id}", memories.delete, "Forget a memory.", memories.Forgotten),
)
