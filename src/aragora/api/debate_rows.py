"""The rows of the route table about debates, beyond those that every client needs. May import its siblings."""

from dataclasses import replace

from aragora.api import Endpoint, Param, copies, debates, decisions, exports, people, reports, shelf
from aragora.api.answers import Created, Debate, DebateList, Done
from aragora.api.bodies import Cancel, CreateDebate
from aragora.api.rows import LIMIT, OFFSET, PAGE, delete, get, post
from aragora.api.words import ARCHIVED, STATUSES
from aragora.auth import READ, Access

STATUS = Param(name="status", about="Only debates of this status.", choices=tuple(STATUSES))
LISTED = replace(STATUS, choices=(*STATUSES, ARCHIVED))
WORDS = Param(name="query", about="Words, or the beginnings of words, that must all be there.")
LONG = (replace(LIMIT, high=1000), replace(OFFSET, high=10**9))
ESTIMATE = (
    Param(name="num_agents", about="Seats.", low=1, high=reports.AGENTS_MAX),
    Param(name="num_rounds", about="Rounds.", low=1, high=reports.ROUNDS_MAX),
    Param(name="model_types", about="Kinds of agents, with commas between them."),
)
RECEIPT = (
    Param(name="format", about="How it is written.", choices=tuple(decisions.FORMS)),
    Param(name="prove", about="The number of one event, to get the proof that it belongs to the receipt.", low=1, high=2**63 - 1),
)
KNOWN = (
    Param(name="key", about="The public key that you know, in hexadecimal."),
    Param(name="head", about="The head of the chain that you know."),
)
TABLE = Param(name="table", about="What a CSV holds.", choices=exports.TABLES)

ROWS: tuple[Endpoint, ...] = (
    get("/debates/slug/{slug}", shelf.by_slug, "Read a debate by its slug.", Debate),
    get("/debates/active", shelf.active, "Debates that are being run.", DebateList, *PAGE),
    get("/debates/archived", shelf.archived, "Debates in the archive.", DebateList, *PAGE),
    get("/history/debates", debates.index, "List debates, newest first.", DebateList, *PAGE, LISTED),
    get("/debates/statistics", shelf.statistics, "How many debates there are, by status.", shelf.Statistics),
    get("/debates/stats", shelf.statistics, "How many debates there are, by status.", shelf.Statistics),
    get("/debates/queue/status", shelf.queue, "How many debates run and wait.", shelf.Queue),
    get("/debates/estimate-cost", reports.estimate_cost, "What a debate of a size takes.", reports.CostEstimate, *ESTIMATE),
    get("/search", shelf.search, "Search debates by their words.", shelf.Results, WORDS, *PAGE, STATUS),
    post("/search", shelf.search_for, "Search debates by their words.", shelf.Results, body=shelf.Found, errors=(400,)),
    post("/debates/compare", shelf.compare, "Several debates side by side.", shelf.Compared, body=shelf.Ids, errors=(404,)),
    post("/debates/archive/batch", shelf.archive_many, "Archive several debates.", shelf.Archived, body=shelf.Ids),
    post("/debate", debates.create, "Hold a debate.", Created, body=CreateDebate, status=201, limit="debates"),
    post("/debate-this", debates.create, "Hold a debate.", Created, body=CreateDebate, status=201, limit="debates"),
    post(
        "/debates/batch", copies.batch, "Hold several debates.", copies.BatchMade, body=copies.Many, status=201, limit="debates"
    ),
    post("/batch", copies.batch, "Hold several debates.", copies.BatchMade, body=copies.Many, status=201, limit="debates"),
    get("/batch/queue/status", shelf.queue, "How many debates run and wait.", shelf.Queue),
    get("/debates/batch", copies.batches, "Batches, newest first.", copies.BatchList, *PAGE),
    get("/debates/batch/{batch_id}/status", copies.batch_status, "A batch as it stands.", copies.BatchStatus),
    Endpoint(
        method="PATCH",
        path="/debates/{id}",
        handler=shelf.label,
        summary="Write a title, tags or metadata on a debate.",
        answer=shelf.Labelled,
        body=shelf.Label,
        errors=(404, 413, 503),
        access=Access.OWNER,
    ),
    delete(
        "/debates/{id}",
        shelf.delete,
        "Delete a debate and its log; one that runs is cancelled first.",
        shelf.Deleted,
        errors=(409,),
        access=Access.OWNER,
    ),
    get("/debates/{id}/metadata", shelf.metadata, "What is written on a debate.", shelf.Metadata),
    get("/debates/{id}/rounds", reports.rounds, "What was said, round by round.", reports.RoundList),
    get("/debates/{id}/agents", reports.agents, "The seats, and what each did.", reports.SeatList),
    get("/debates/{id}/consensus", reports.consensus, "Whether and how far the seats agreed.", reports.ConsensusReport),
    get("/debates/{id}/convergence", reports.convergence, "How agreement moved.", reports.ConvergenceReport),
    get("/debates/{id}/summary", reports.summary, "A debate in a paragraph.", reports.SummaryReport),
    get("/debates/{id}/timeline", reports.timeline, "The events in brief.", reports.Timeline, *LONG),
    get("/debates/{id}/positions", reports.positions, "Where each seat stands.", reports.PositionList),
    get("/debates/{id}/costs", reports.costs, "What the turns used.", reports.CostReport),
    get("/debates/{id}/followups", copies.followups, "Dissents worth a debate.", copies.CruxList),
    get("/debates/{id}/forks", copies.forks, "Debates made from this one.", copies.ForkList, *PAGE),
    get("/debates/{id}/package", exports.package, "A debate whole.", exports.Export),
    get("/debates/public/{id}", debates.show, "Read a debate.", Debate),
    replace(
        get("/debates/{id}/export/{format}", exports.export, "A debate as a document.", exports.Export, TABLE),
        media=("text/csv", "text/html", "text/markdown", "text/plain"),
    ),
    replace(
        get(
            "/debates/{id}/receipt",
            decisions.show,
            "What proves how a debate went.",
            decisions.Receipt,
            *RECEIPT,
            errors=(400, 409),
        ),
        media=("text/html", "text/markdown"),
        other=decisions.Proof,
    ),
    get(
        "/debates/{id}/decisions",
        decisions.decisions,
        "The last vote under every rule, and how close it was.",
        decisions.DecisionList,
        errors=(409,),
    ),
    replace(
        post(
            "/receipts/verify", decisions.verify, "Is a receipt whole?", decisions.Checked, body=decisions.Receipt, errors=(400,)
        ),
        params=KNOWN,
        scope=READ,
        again=True,
    ),
    get("/debates/{id}/turn", people.turns, "The turns that wait for a person.", people.TurnList),
    post("/debates/{id}/turn", people.speak, "Answer the turn of a person's seat.", people.Spoke, body=people.Speak, status=201),
    post(
        "/debates/{id}/messages",
        people.suggest,
        "Suggest something to the agents.",
        people.Suggested,
        body=people.Suggest,
        status=201,
        access=Access.READER,
    ),
    post(
        "/debates/{id}/user-input",
        people.suggest,
        "Suggest something to the agents.",
        people.Suggested,
        body=people.Suggest,
        status=201,
        access=Access.READER,
    ),
    post("/debates/{id}/pause", people.pause, "Let a debate rest.", Done),
    post("/debates/{id}/resume", people.resume, "Let a debate go on.", Done),
    post("/debates/{id}/stop", debates.cancel, "End a debate now.", Done, body=Cancel, body_needed=False),
    post("/debates/{id}/archive", shelf.archive, "Archive a debate that has ended.", Done),
    post(
        "/debates/{id}/clone",
        copies.clone,
        "Ask the same again.",
        Created,
        body=copies.Changes,
        body_needed=False,
        status=201,
        limit="debates",
        access=Access.READER,
    ),
    post(
        "/debates/{id}/fork",
        copies.fork,
        "Go on in another way.",
        Created,
        body=copies.Changes,
        body_needed=False,
        status=201,
        limit="debates",
        access=Access.READER,
    ),
    post(
        "/debates/{id}/followup",
        copies.follow_up,
        "Take an answer up again.",
        Created,
        body=copies.Changes,
        body_needed=False,
        status=201,
        limit="debates",
        access=Access.READER,
    ),
)
