"""Around every request: limits and what is left of them, tags, compression, ids, origins, hosts, headers."""

import asyncio
import gzip
import json
import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from aragora.config import load
from aragora.errors import ConfigError
from aragora.limits import Limits, Proxies
from builders import Served, served
from people import QUICK, Person, a_person, a_socket, said


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that has held some debates."""
    with served(tmp_path_factory.mktemp("edge")) as running:
        for number in range(20):
            Person(running).held(f"Question {number}")
        yield running


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that pages of one other origin may use."""
    with served(tmp_path_factory.mktemp("listed"), cors_origins="https://app.example.com") as running:
        yield running


def test_limit_is_told_and_kept(tmp_path: Path) -> None:
    """Every answer says what is left; the one too many is refused with the time to wait, and health is not counted."""
    with served(tmp_path, rate_limit_default=5, rate_limit_debates=2) as server:
        answers = [server.ask("/api/debates") for _ in range(7)]
        assert [200] * 5 + [429] * 2 == [answer.status for answer in answers]
        assert ["4", "3", "2", "1", "0", "0", "0"] == [answer.headers["x-ratelimit-remaining"] for answer in answers]
        assert {'"default";q=5;w=60'} == {answer.headers["ratelimit-policy"] for answer in answers}
        assert re.fullmatch(r'"default";r=4;t=\d+', answers[0].headers["ratelimit"])
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert "RATE_LIMITED" == answers[-1].json["code"]
        starts = [server.ask("/api/debates", QUICK).status for _ in range(5)]
        assert [201, 201, 429, 429, 429] == starts
        for path in ("/api/health", "/api/v1/health/deep", "/livez", "/readyz", "/metrics"):
            answer = server.ask(path)
            assert (200, None) == (answer.status, answer.headers.get("ratelimit"))


def test_users_are_counted_and_not_their_address(tmp_path: Path) -> None:
    """Two users behind one address have a count each; a bad token counts for the address it came from."""
    with served(tmp_path, auth="required", rate_limit_default=5) as server:
        ann, ben = a_person(server, "ann"), a_person(server, "ben")
        assert [200] * 5 + [429] == [ann.ask("/api/debates").status for _ in range(6)]
        assert 200 == ben.ask("/api/debates").status
        assert [401] * 5 + [429] == [Person(server, token="ara_wrong").ask("/api/debates").status for _ in range(6)]


def test_only_trusted_proxies_are_believed() -> None:
    """The address that counts is the last one that no trusted proxy vouches for; IPv6 counts by network."""
    proxies = Proxies([ip_network("10.0.0.0/8")])
    assert "203.0.113.9" == proxies.caller("203.0.113.9", "1.1.1.1")
    assert "203.0.113.9" == proxies.caller("10.0.0.1", "1.1.1.1, 203.0.113.9")
    assert "203.0.113.9" == proxies.caller("10.0.0.1", "203.0.113.9, 10.0.0.2")
    assert "10.0.0.1" == proxies.caller("10.0.0.1", "")
    assert "10.0.0.1" == proxies.caller("10.0.0.1", "1.1.1.1, nonsense\r\n")
    assert "2001:db8:1:2::/64" == proxies.caller("2001:db8:1:2:3:4:5:6", "")
    assert "203.0.113.9" == proxies.caller("::ffff:203.0.113.9", "")


def test_answer_that_the_client_has_is_not_sent_again(server: Served) -> None:
    """An answer has a tag; asked with it, the server says 304 and nothing else, until the answer changes."""
    first = server.ask("/api/debates?limit=2")
    tag = first.headers["etag"]
    again = server.ask("/api/debates?limit=2", If_None_Match=f'"x", {tag}')
    assert (304, b"", tag) == (again.status, again.body, again.headers["etag"])
    assert "private, no-cache" == again.headers["cache-control"]
    Person(server).held("One more")  # to its end, so that lists stand still again
    assert 200 == server.ask("/api/debates?limit=2", If_None_Match=tag).status
    assert 404 == server.ask(f"/api/debates/{'0' * 32}", If_None_Match="*").status
    assert "etag" not in server.ask("/api/health").headers


def test_long_answers_are_compressed_for_who_understands(server: Served) -> None:
    """Gzip is used where it was asked for and the answer is long; the tag is the same, since the answer is."""
    plain = server.ask("/api/debates?limit=20")
    small = server.ask("/api/debates?limit=20", Accept_Encoding="br;q=1, gzip;q=0.5")
    assert (None, "gzip") == (plain.headers.get("content-encoding"), small.headers["content-encoding"])
    assert plain.body == gzip.decompress(small.body)
    assert len(small.body) < len(plain.body) / 4
    assert plain.headers["etag"] == small.headers["etag"]
    assert "Accept-Encoding" in plain.headers["vary"]
    for refused in ("gzip;q=0", "identity", "*;q=0"):
        assert "content-encoding" not in server.ask("/api/debates?limit=20", Accept_Encoding=refused).headers
    assert "content-encoding" not in server.ask("/api/health", Accept_Encoding="gzip").headers
    assert json.loads(gzip.decompress(server.ask("/openapi.json", Accept_Encoding="gzip").body))["openapi"] == "3.1.0"


def test_ids_go_through(server: Served) -> None:
    """A request id and a trace that were given come back; nonsense does not."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = server.ask("/api/none", X_Request_ID="mine-1", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert ("mine-1", "mine-1") == (answer.headers["x-request-id"], answer.json["trace_id"])
    assert re.fullmatch(f"00-{trace}-(?!00f067aa0ba902b7)[0-9a-f]{{16}}-01", answer.headers["traceparent"])
    for bad in ("x y", "a" * 100, "<script>"):
        assert bad != server.ask("/api/health", X_Request_ID=bad).headers["x-request-id"]
    for bad in ("nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{trace}-00f067aa0ba902b7-01"):
        assert "traceparent" not in server.ask("/api/health", traceparent=bad).headers


def test_headers_that_protect(server: Served) -> None:
    """Every answer, errors too, is not to be sniffed, framed or fetched by others, and does not say what serves it."""
    for path in ("/api/debates", "/api/none", "/api/debates?limit=x"):
        headers = server.ask(path).headers
        assert "nosniff" == headers["x-content-type-options"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert {"x-frame-options", "referrer-policy"} <= {name.lower() for name in headers}
        assert "server" not in {name.lower() for name in headers}


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "https://app.example.com.evil.example", "http://app.example.com", "https://localhost.evil"],
)
def test_other_origins_get_nothing(listed: Served, origin: str) -> None:
    """A page of an origin that is not on the list may not read, not change and not open a WebSocket."""
    preflight: dict[str, Any] = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in listed.ask("/api/debates", method="OPTIONS", **preflight).headers
    assert "access-control-allow-origin" not in listed.ask("/api/debates", Origin=origin).headers
    assert 403 == listed.ask("/api/debates", QUICK, Origin=origin).status
    with pytest.raises(InvalidStatus) as refused, a_socket(listed, origin=origin):
        pass
    assert 403 == refused.value.response.status_code


def test_listed_origin_may_ask(listed: Served) -> None:
    """A page of an origin on the list may ask, read what it needs, and open a WebSocket; it sends no cookies."""
    origin = "https://app.example.com"
    preflight = listed.ask("/api/debates", method="OPTIONS", Origin=origin, Access_Control_Request_Method="POST")
    assert (204, origin) == (preflight.status, preflight.headers["access-control-allow-origin"])
    assert "Idempotency-Key" in preflight.headers["access-control-allow-headers"]
    answer = listed.ask("/api/debates", QUICK, Origin=origin)
    assert (201, origin) == (answer.status, answer.headers["access-control-allow-origin"])
    assert "access-control-allow-credentials" not in answer.headers
    with a_socket(listed, origin=origin) as opened:
        assert "connected" == said(opened)["type"]


def test_loopback_answers_to_its_own_names(server: Served) -> None:
    """A page that has its own name point to this machine is not taken for one of ours."""
    assert 200 == server.ask("/api/debates", Host=f"localhost:{server.api_port}").status
    assert (400, "HOST_NOT_ALLOWED") == ((answer := server.ask("/api/debates", Host="evil.example")).status, answer.json["code"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_open_server_needs_a_decision(host: str) -> None:
    """Where other machines can connect, somebody has to say whether callers log in."""
    with pytest.raises(ConfigError, match="ARAGORA_AUTH: must be set"):
        load({"api_host": host}, {}, None)
    for choice in ("off", "optional", "required"):
        assert choice == load({"api_host": host}, {"ARAGORA_AUTH": choice}, None).settings.auth


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    """On this machine alone, nobody has to log in."""
    assert "off" == load({"api_host": host}, {}, None).settings.auth


@pytest.mark.parametrize("origins", ["*", "app.example.com", "https://app.example.com/", "https://*.example.com", "ftp://a.b"])
def test_origins_are_exact(origins: str) -> None:
    """Origins are named one by one; there is no star."""
    with pytest.raises(ConfigError, match="ARAGORA_CORS_ORIGINS"):
        load({}, {"ARAGORA_CORS_ORIGINS": origins}, None)


def test_health_goes_deep(server: Served) -> None:
    """The deep check tells the state of database, engine and disk, and how long it took."""
    told = server.ask("/api/v1/health/deep").json
    assert ("healthy", {"database": "ok", "engine": "ok", "disk": "ok"}) == (told["status"], told["checks"])
    assert told["response_time_ms"] > 0
    assert ("sqlite", "off") == (told["db_mode"], told["auth_mode"])


def test_zero_is_no_limit() -> None:
    """A limit of 0 counts nothing."""
    assert asyncio.run(Limits({"default": 0}).count("default", "somebody")) is None


def test_document_says_who_gets_in(tmp_path: Path) -> None:
    """The document has the ways to log in, and says of each endpoint whether it needs one."""
    with served(tmp_path, auth="required") as running:
        document = running.ask("/openapi.json").json
    assert {"bearer", "cookie", "share"} == document["components"]["securitySchemes"].keys()
    paths = document["paths"]
    assert [{"bearer": []}, {"cookie": []}] == paths["/api/debates"]["post"]["security"]
    assert [{"bearer": []}, {"cookie": []}, {"share": []}] == paths["/api/debates/{id}"]["get"]["security"]
    assert [{}] == paths["/api/health"]["get"]["security"]
    assert {"401", "422"} <= paths["/api/debates"]["post"]["responses"].keys()
