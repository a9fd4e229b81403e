"""Traces, as a collector gets them: real OTLP over HTTP from real servers, decoded by OpenTelemetry's own protobuf."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import servers
from aragora.config import load
from aragora.errors import ConfigError
from aragora.traces import STEPS
from builders import WAIT_S, Served, served

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{CALLER}-01"
BODY = {"topic": "Where does the time go?", "agents": ["demo", "demo:sceptic"], "rounds": 1}


@dataclass
class Collector:
    """What arrived: spans, with the resource they came from."""

    address: str = ""
    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    came: threading.Condition = field(default_factory=threading.Condition)

    def take(self, body: bytes) -> None:
        """Read one export."""
        told = ExportTraceServiceRequest.FromString(body)
        with self.came:
            for each in told.resource_spans:
                self.services |= {pair.value.string_value for pair in each.resource.attributes if pair.key == "service.name"}
                self.spans += [span for scope in each.scope_spans for span in scope.spans]
            self.came.notify_all()

    def wait(self, *names: str, more: Callable[[Span], bool] = lambda _: True) -> list[Span]:
        """Everything, once a span of each name has come."""
        with self.came:
            assert self.came.wait_for(lambda: set(names) <= {span.name for span in self.spans if more(span)}, WAIT_S), [
                span.name for span in self.spans
            ]
            return [*self.spans]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that servers started from here send to."""
    found = Collector()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert (self.path, self.headers["x-tenant"]) == ("/v1/traces", "t1")
            found.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        found.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=t1")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        yield found
        server.shutdown()
        thread.join()


def ask(server: Served, body: dict[str, object] = BODY) -> tuple[str, str]:
    """Start a debate as part of a trace: its id, and the `traceparent` that was answered."""
    answer = server.ask("/api/debates", {**body}, traceparent=GIVEN)
    assert 201 == answer.status
    return answer.json["id"], answer.headers["traceparent"]


def about(span: Span) -> dict[str, str | int]:
    """A span's attributes."""
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


def in_trace(spans: list[Span]) -> list[Span]:
    """The spans of the given trace."""
    return [span for span in spans if span.trace_id.hex() == TRACE]


def test_a_debate_is_one_trace_from_the_callers_span_to_the_last_step(tmp_path: Path, collector: Collector) -> None:
    """Request, its steps, debate, turns, and the steps of a round hang together, under the specification's names."""
    with served(tmp_path) as server:
        _, answered = ask(server)
        spans = in_trace(collector.wait("debate", "POST /api/debates"))
    by_name = {span.name: span for span in spans}
    parents = {span.span_id: span.name for span in spans}
    request = by_name["POST /api/debates"]
    assert (CALLER, f"00-{TRACE}-{request.span_id.hex()}-01") == (request.parent_span_id.hex(), answered)
    under = {(parents.get(span.parent_span_id, ""), span.name) for span in spans}
    steps = {"auth", "parse", "validate", "logic", "write", "serialize"}
    assert {("", "POST /api/debates"), ("POST /api/debates", "debate")} | {("POST /api/debates", step) for step in steps} <= under
    assert {("debate", "turns"), ("debate", "consensus check"), ("agent call", "chat demo")} <= under
    assert {("turns", STEPS[step]) for step in ("context", "agent", "record", "broadcast")} <= under
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
    assert {"aragora"} == collector.services
    assert {"http.request.method": "POST", "http.route": "/api/debates", "http.response.status_code": 201}.items() <= about(
        request
    ).items()


def test_a_question_to_a_model_follows_the_conventions(tmp_path: Path, collector: Collector) -> None:
    """Operation, provider, model, agent, conversation and tokens; an agent that fails says so; no text of a debate is sent."""
    with served(tmp_path) as server:
        debate_id, _ = ask(server, {**BODY, "agents": ["demo:sceptic", "sim:fault=1", "sim:p=0.7"]})
        spans = in_trace(collector.wait("debate"))
    calls = [span for span in spans if span.name.startswith("chat ")]
    assert {Span.SPAN_KIND_CLIENT} == {span.kind for span in calls}
    assert {("chat", debate_id)} == {
        (about(span)["gen_ai.operation.name"], about(span)["gen_ai.conversation.id"]) for span in calls
    }
    asked = {(about(span)["gen_ai.provider.name"], about(span)["gen_ai.request.model"]) for span in calls}
    assert {("demo", "sceptic"), ("sim", "fault=1"), ("sim", "p=0.7")} == asked
    failed = {about(span).get("error.type") for span in calls if span.status.code == Status.STATUS_CODE_ERROR}
    assert {"timeout"} == failed
    spoken = [about(span) for span in calls if span.name == "chat p=0.7"]
    assert all(int(each["gen_ai.usage.input_tokens"]) > 0 and int(each["gen_ai.usage.output_tokens"]) > 0 for each in spoken)
    assert "Where does the time go" not in str(spans)


def test_a_debate_goes_on_in_its_trace_after_a_crash(tmp_path: Path, collector: Collector) -> None:
    """Whoever runs it next was not there when it was asked for."""
    with served(tmp_path, demo_delay_s=0.2) as server:
        ask(server, {**BODY, "rounds": 3})
        collector.wait("agent call")
        server.kill()
    known = len(collector.spans)
    with served(tmp_path):
        spans = collector.wait("debate")
    (debate,) = [span for span in spans if span.name == "debate"]
    assert spans.index(debate) >= known
    assert TRACE == debate.trace_id.hex()


def test_a_debate_is_one_trace_in_a_fleet(tmp_path: Path, collector: Collector) -> None:
    """One process is asked, another runs the debate."""
    with servers.postgres() as database:
        url = f"postgresql://postgres@127.0.0.1:{database.port}/{servers.DATABASE}"
        flags = {"database_url": url, "db_pool_size": 4, "db_max_overflow": 0}
        with served(tmp_path / "api", role="api", **flags) as server, served(tmp_path / "worker", role="worker", **flags):
            ask(server)
            spans = in_trace(collector.wait("debate", "POST /api/debates"))
    by_name = {span.name: span for span in spans}
    assert by_name["POST /api/debates"].span_id == by_name["debate"].parent_span_id
    assert {"turns", "chat demo", "consensus check"} <= set(by_name)


def test_an_unsampled_trace_stays_unsampled(tmp_path: Path, collector: Collector) -> None:
    """The caller decided; what is not part of its trace is sampled on its own."""
    with served(tmp_path) as server:
        answer = server.ask("/api/debates", {**BODY}, traceparent=GIVEN.removesuffix("01") + "00")
        assert answer.headers["traceparent"].endswith("-00")
        server.ask(f"/api/debates/{answer.json['id']}/events/stream")
        spans = collector.wait("GET /api/debates/{id}/events/stream")
    assert [] == in_trace(spans)
    assert "debate" not in {span.name for span in spans}


def test_a_collector_that_is_away_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debates are held, and the server stops when it is told to."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with served(tmp_path) as server:
        debate_id, _ = ask(server)
        server.ask(f"/api/debates/{debate_id}/events/stream")
        assert 0 == server.stop()
        assert "Traceback" not in "".join(server.lines)


def test_nothing_of_opentelemetry_is_imported_unless_it_is_asked_for() -> None:
    """Who sends no traces pays nothing for them."""
    code = """
import asyncio, sys, tempfile
from pathlib import Path
from aragora import app
from aragora.config import load
async def main():
    async with app.open_parts(load({"data_dir": Path(tempfile.mkdtemp())}, {}, None)) as parts:
        assert not parts.metrics.traces.on
asyncio.run(main())
print([name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "google", "requests")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("environ", "where"),
    [
        ({}, ""),
        ({"OTEL_SERVICE_NAME": "x"}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, ""),
        ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "otlp"}, ""),
    ],
)
def test_the_standard_variables_say_where_traces_go(environ: dict[str, str], where: str) -> None:
    """Nowhere, until an exporter or an endpoint is named."""
    assert where == load({}, environ, None).traces


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: must be one of none, otlp, console"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf",
        ),
    ],
)
def test_what_cannot_be_sent_is_said_at_the_start(environ: dict[str, str], fault: str) -> None:
    """Better than a trace that never arrives."""
    with pytest.raises(ConfigError) as caught:
        load({}, environ, None)
    assert fault in caught.value.message
