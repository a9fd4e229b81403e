"""Spans of OpenTelemetry, sent as OTLP over HTTP. Imported only when traces are asked for; may import its siblings.

The standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER` ...) are read by the SDK itself.
Names follow the semantic conventions for HTTP and for generative AI; the texts that models read and write are never sent.
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from time import time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from aragora.traces import STEPS, Application, Receive, Send

NS = 1_000_000_000
FAULT_OF_OURS = 500
NAME = b"traceparent"
_wire = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Traces that are sent to a collector, or written to standard output."""

    on = True

    def __init__(self, *, version: str, console: bool) -> None:
        """Start the thread that sends; the SDK takes the address and everything else from the standard variables."""
        # Its name of last resort; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
        found = Resource.create()
        unnamed = str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
        own = {"service.version": version, **({SERVICE_NAME: "aragora"} if unnamed else {})}
        self._provider = TracerProvider(resource=found.merge(Resource(own)))
        sender = SimpleSpanProcessor(ConsoleSpanExporter()) if console else BatchSpanProcessor(OTLPSpanExporter())
        self._provider.add_span_processor(sender)
        self._tracer = self._provider.get_tracer("aragora", version)

    @property
    def here(self) -> str:
        """The span at hand as a `traceparent`; empty when there is none."""
        carrier: dict[str, str] = {}
        _wire.inject(carrier)
        return carrier.get("traceparent", "")

    @contextmanager
    def step(self, name: str, /, **about: str | int) -> Iterator[None]:
        """A span around a step, under the span at hand."""
        with self._tracer.start_as_current_span(STEPS.get(name, name), attributes=_ours(about)):
            yield

    def lap(self, name: str, seconds: float) -> None:
        """A step that has just ended, under the span at hand."""
        now = time_ns()
        self._tracer.start_span(STEPS.get(name, name), start_time=now - int(NS * seconds)).end(now)

    @contextmanager
    def debate(self, debate_id: str, parent: str, /) -> Iterator[None]:
        """A span around the run of a debate, in the trace of the request that asked for it."""
        above = _wire.extract({"traceparent": parent}, context=Context())
        with self._tracer.start_as_current_span("debate", above, attributes=_ours({"debate_id": debate_id})):
            yield

    @contextmanager
    def call(self, provider: str, model: str, agent: str, debate_id: str, /) -> Iterator["_Call"]:
        """A span around a question to a model, by the GenAI conventions."""
        about = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model or provider,
            "gen_ai.agent.name": agent,
            "gen_ai.conversation.id": debate_id,
        }
        with self._tracer.start_as_current_span(f"chat {model or provider}", kind=SpanKind.CLIENT, attributes=about) as span:
            yield _Call(span)

    def around(self, app: Application) -> Application:
        """The application with a span around each HTTP request, under the caller's `traceparent`."""

        async def traced(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            given = next((value.decode("latin-1") for name, value in scope["headers"] if name == NAME), "")
            about = {"http.request.method": scope["method"], "url.path": scope["path"], "url.scheme": scope["scheme"]}
            above = _wire.extract({"traceparent": given}, context=Context())
            with self._tracer.start_as_current_span(
                scope["method"], above, kind=SpanKind.SERVER, attributes=about, record_exception=False
            ) as span:
                await app(scope, receive, self._telling(span, scope, send))

        return traced

    def _telling(self, span: Span, scope: MutableMapping[str, Any], send: Send) -> Send:
        """Notes the route and the status on the span, and tells the caller its name."""
        own = (NAME, self.here.encode())

        async def tell(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*(each for each in message["headers"] if each[0] != NAME), own]
                status: int = message["status"]
                span.set_attribute("http.response.status_code", status)
                if route := scope.get("endpoint_path"):
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attribute("http.route", route)
                if status >= FAULT_OF_OURS:
                    span.set_status(Status(StatusCode.ERROR))
                    span.set_attribute("error.type", str(status))
            await send(message)

        return tell

    def close(self) -> None:
        """Send what is left; blocks until it is sent or the collector has been given up."""
        self._provider.shutdown()


class _Call:
    def __init__(self, span: Span) -> None:
        self._span = span

    def answered(self, tokens_in: int | None, tokens_out: int | None) -> None:
        for kind, count in (("input", tokens_in), ("output", tokens_out)):
            if count is not None:
                self._span.set_attribute(f"gen_ai.usage.{kind}_tokens", count)

    def failed(self, fault: str, detail: str) -> None:
        self._span.set_attribute("error.type", fault)
        self._span.set_status(Status(StatusCode.ERROR, detail))


def _ours(about: dict[str, str | int]) -> dict[str, str | int]:
    return {f"aragora.{name}": value for name, value in about.items()}
