"""Settings: four sources, their order, and every fault at once."""

import stat
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora import config
from aragora.config import Loaded, Settings, load
from aragora.errors import ConfigError


def faults_of(
    flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None, toml_path: Path | None = None
) -> list[str]:
    """The faults that loading reports, a line each."""
    with pytest.raises(ConfigError) as caught:
        load(flags or {}, environ or {}, toml_path)
    head, *lines = caught.value.message.split("\n")
    assert head == "These settings cannot be used:"
    return [line.strip() for line in lines]


def a_file(folder: Path, text: str) -> Path:
    """An aragora.toml."""
    path = folder / "aragora.toml"
    path.write_text(text, "utf-8")
    return path


def test_defaults_are_within_their_own_bounds() -> None:
    """What is set by nobody could have been set by somebody, except that SQLite and no Redis are spelled by silence."""
    silent = {"database_url", "redis_url"}
    given = {known.name: str(known.default) for known in fields(Settings) if known.name not in silent}
    assert Settings() == load(given, {}, None).settings


def test_flags_beat_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """Each source wins over the next, and each value knows where it came from."""
    path = a_file(tmp_path, "max_agents = 3\nmax_rounds = 3\nmax_topic_chars = 3\n")
    environ = {"ARAGORA_MAX_AGENTS": "2", "ARAGORA_MAX_ROUNDS": "2"}
    loaded = load({"max_agents": 1, "api_port": None}, environ, path)
    values = loaded.settings
    assert (1, 2, 3, 8080) == (values.max_agents, values.max_rounds, values.max_topic_chars, values.api_port)
    names = ("max_agents", "max_rounds", "max_topic_chars", "api_port")
    expected = ["flag", "environment ARAGORA_MAX_ROUNDS", "file aragora.toml", "default"]
    assert expected == [loaded.origins[name] for name in names]


def test_every_setting_has_an_origin() -> None:
    """Nothing is settled without saying how."""
    assert {known.name for known in fields(Settings)} == set(load({}, {}, None).origins)


def test_bare_names_of_the_specification_are_read() -> None:
    """MAX_CONTEXT_TOKENS and MAX_HISTORY_ROUNDS work without the prefix; the prefixed name wins."""
    environ = {"MAX_CONTEXT_TOKENS": "500", "MAX_HISTORY_ROUNDS": "2", "ARAGORA_MAX_HISTORY_ROUNDS": "3"}
    loaded = load({}, environ, None)
    assert (500, 3) == (loaded.settings.max_context_tokens, loaded.settings.max_history_rounds)
    assert "environment MAX_CONTEXT_TOKENS" == loaded.origins["max_context_tokens"]


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    """One start shows everything that has to be mended."""
    path = a_file(tmp_path, 'log_level = "loud"\nmax_agent = 4\nmax_rounds = "4"\n')
    environ = {"ARAGORA_API_PROT": "1", "ARAGORA_DEMO_DELAY_S": "99", "ARAGORA_WORKERS": "2"}
    assert [
        "'max_agent' in aragora.toml: there is no such setting; did you mean max_agents?",
        "--ws-port: must be a whole number from 0 to 65535",
        "ARAGORA_API_PROT: there is no such variable; did you mean ARAGORA_API_PORT?",
        "ARAGORA_DEMO_DELAY_S: must be a number from 0 to 60 s",
        "ARAGORA_WORKERS: must be 1 on SQLite, where one process writes; several need PostgreSQL",
        "log_level in aragora.toml: must be one of debug, info, warning, error",
        "max_rounds in aragora.toml: must be a whole number from 1 to 100 rounds",
    ] == sorted(faults_of({"ws_port": "x"}, environ, path))


def test_unknown_flag_is_a_fault() -> None:
    """A flag that sets nothing is not passed over in silence."""
    assert ["'api_prot': there is no such flag; did you mean api_port?"] == faults_of({"api_prot": 1})


def test_names_of_other_programs_are_no_fault() -> None:
    """The variables of the public client and of the tests may be in the same shell."""
    environ = {"ARAGORA_API_URL": "x", "ARAGORA_API_KEY": "x", "ARAGORA_REQUIRE_SERVICES": "1", "PATH": "/bin"}
    assert Settings() == load({}, environ, None).settings


@pytest.mark.parametrize("text", ["-1", "65536", "8e3", "0x10", "80.0", "1_0 0", "nan", "٣", " ", "true"])
def test_port_that_is_none_is_refused(text: str) -> None:
    """A whole number within its bounds, in plain digits."""
    assert ["ARAGORA_API_PORT: must be a whole number from 0 to 65535"] == faults_of(environ={"ARAGORA_API_PORT": text})


@pytest.mark.parametrize("text", ["nan", "inf", "-0.1", "60.1", "1e400", ""])
def test_delay_that_is_none_is_refused_or_unset(text: str) -> None:
    """Not a number is no number; an empty variable is none at all."""
    if text:
        assert ["ARAGORA_DEMO_DELAY_S: must be a number from 0 to 60 s"] == faults_of(environ={"ARAGORA_DEMO_DELAY_S": text})
    else:
        assert 0.5 == load({}, {"ARAGORA_DEMO_DELAY_S": text}, None).settings.demo_delay_s


@pytest.mark.parametrize("text", ["api_port = true", "api_port = 1.0", "api_port = [1]", "api_port = 1979-05-27"])
def test_toml_value_of_another_type_is_refused(text: str, tmp_path: Path) -> None:
    """A file has types, so a wrong one is said to be wrong."""
    faults = faults_of(toml_path=a_file(tmp_path, text))
    assert ["api_port in aragora.toml: must be a whole number from 0 to 65535"] == faults


NAMES = [config.env_name(known.name) for known in fields(Settings)]
PLANTED = st.text().map("zebra-4711".__add__)  # a text of any kind, but none that our own words contain


@given(st.dictionaries(st.sampled_from(NAMES), PLANTED))
def test_no_text_breaks_loading_or_is_repeated(environ: dict[str, str]) -> None:
    """Whatever is in the environment, there are settings, or a ConfigError that does not repeat it."""
    said = ""
    try:
        load({}, environ, None)
    except ConfigError as error:
        said = error.message
    assert not [text for text in environ.values() if text in said]


def test_database_defaults_to_a_file_in_the_data_folder() -> None:
    """The seed's file name, wherever the data folder is."""
    assert Path(".nomic/aragora_debates.db") == Settings().database_path
    assert Path("/x/aragora_debates.db") == load({}, {"ARAGORA_DATA_DIR": "/x"}, None).settings.database_path


@pytest.mark.parametrize(("url", "path"), [("sqlite:///a/b.db", "a/b.db"), ("sqlite:////var/b.db", "/var/b.db")])
def test_database_url_names_a_file(url: str, path: str) -> None:
    """Three slashes are a relative path, four an absolute one."""
    assert Path(path) == load({"database_url": url}, {}, None).settings.database_path


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://me:hunter22@h/x", "hunter22"])
def test_database_that_keeps_nothing_is_refused(url: str) -> None:
    """Only a file; the fault repeats neither URL nor password."""
    (fault,) = faults_of(environ={"ARAGORA_DATABASE_URL": url})
    assert "sqlite:///" in fault
    assert "hunter22" not in fault


@pytest.mark.parametrize(
    ("name", "url"),
    [("DATABASE_URL", "mysql://me:hunter22@db/x"), ("REDIS_URL", "http://:hunter22@cache"), ("DATABASE_REPLICA_URL", "hunter22")],
)
def test_servers_of_another_kind_are_refused(name: str, url: str) -> None:
    """A URL that would be ignored is a promise that would be broken; what it says stays secret."""
    fault = faults_of(environ={f"ARAGORA_{name}": url})[0]
    assert fault.startswith(f"ARAGORA_{name}: must ")
    assert "hunter22" not in fault


@pytest.mark.parametrize(("name", "value"), [("WORKERS", "4"), ("ROLE", "api"), ("DATABASE_REPLICA_URL", "postgresql://b/x")])
def test_a_fleet_needs_postgresql(name: str, value: str) -> None:
    """What one file cannot give is refused with the reason, and accepted on PostgreSQL."""
    (fault,) = faults_of(environ={f"ARAGORA_{name}": value})
    assert fault.startswith(f"ARAGORA_{name}: ")
    assert "PostgreSQL" in fault
    load({}, {f"ARAGORA_{name}": value, "ARAGORA_DATABASE_URL": "postgresql://a/x"}, None)


def test_secret_is_read_from_its_file(tmp_path: Path) -> None:
    """NAME_FILE keeps a secret out of the environment, and the origin says so."""
    path = tmp_path / "secret"
    path.write_text("sqlite:///from-file.db\n")
    loaded = load({}, {"ARAGORA_DATABASE_URL_FILE": str(path)}, None)
    assert Path("from-file.db") == loaded.settings.database_path
    assert "environment ARAGORA_DATABASE_URL_FILE" == loaded.origins["database_url"]


def test_secret_file_that_cannot_be_used_is_a_fault(tmp_path: Path) -> None:
    """Missing, empty, endless, not text, or given twice."""
    empty, endless, binary = tmp_path / "empty", tmp_path / "endless", tmp_path / "binary"
    empty.touch()
    endless.write_text("x" * (config.SECRET_BYTES_MAX + 1))
    binary.write_bytes(b"\xff")
    name = "ARAGORA_DATABASE_URL"
    unreadable = f"{name}: its file cannot be read as text"
    assert [unreadable] == faults_of(environ={f"{name}_FILE": str(tmp_path / "missing")})
    assert [unreadable] == faults_of(environ={f"{name}_FILE": str(binary)})
    for path in (empty, endless):
        assert [f"{name}: its file must hold 1 to 65536 bytes"] == faults_of(environ={f"{name}_FILE": str(path)})
    both = {name: "sqlite:///a", f"{name}_FILE": str(empty)}
    assert [f"{name}: give it in {name} or in {name}_FILE, not in both"] == faults_of(environ=both)


def test_secrets_are_shown_nowhere() -> None:
    """Neither the representation nor the list for people has the value of a secret."""
    loaded = load({"database_url": "sqlite:///hunter22.db"}, {}, None)
    assert "hunter22" not in repr(loaded)
    rows = {name: (value, origin) for name, value, origin in config.shown(loaded)}
    assert ("set", "flag") == rows["ARAGORA_DATABASE_URL"]
    assert ("8080", "default") == rows["ARAGORA_API_PORT"]


def test_ignored_settings_are_noted() -> None:
    """What has no effect on SQLite is said, with the reason; what is not given is not."""
    assert () == load({}, {}, None).notes
    (note,) = load({}, {"ARAGORA_DB_POOL_SIZE": "5"}, None).notes
    assert note.startswith("ARAGORA_DB_POOL_SIZE is ignored on SQLite")


def test_two_ports_cannot_be_one() -> None:
    """Zero twice is two free ports; any other number twice is a mistake."""
    assert ["ARAGORA_WS_PORT: must differ from ARAGORA_API_PORT; the API port serves /ws as well"] == faults_of({"ws_port": 8080})
    assert 0 == load({"api_port": 0, "ws_port": 0}, {}, None).settings.ws_port


def test_networks_and_hosts_are_parsed() -> None:
    """Commas, blanks and host bits do no harm."""
    settings = load({"trusted_proxies": " 10.1.2.3/8 ,::1,", "allowed_hosts": "a.example, b.example"}, {}, None).settings
    assert ["10.0.0.0/8", "::1/128"] == [str(network) for network in settings.trusted_networks]
    assert ("a.example", "b.example") == settings.host_names


def test_networks_and_hosts_that_are_none_are_refused() -> None:
    """A proxy is an address, a host is a name."""
    faults = faults_of({"trusted_proxies": "proxy.example", "allowed_hosts": "http://a.example"})
    assert ["--trusted-proxies", "--allowed-hosts"] == [fault.partition(":")[0] for fault in faults]


def test_tables_are_passed_on(tmp_path: Path) -> None:
    """Agents and providers of the file reach those who read them."""
    loaded = load({}, {}, a_file(tmp_path, '[agents.sceptic]\nmodel = "m"\n[providers.local]\nurl = "u"\n'))
    assert {"sceptic": {"model": "m"}} == loaded.agents
    assert {"local": {"url": "u"}} == loaded.providers
    assert ["agents in aragora.toml: must be tables, [agents.NAME]"] == faults_of(toml_path=a_file(tmp_path, "agents = 1"))


def test_file_that_cannot_be_used_is_a_fault(tmp_path: Path) -> None:
    """Not TOML, not text or not a file; one that does not exist sets nothing."""
    assert isinstance(load({}, {}, tmp_path / "missing.toml"), Loaded)
    assert ["aragora.toml: is not TOML (line 1, column 3)"] == faults_of(toml_path=a_file(tmp_path, "a b"))
    (tmp_path / "aragora.toml").write_bytes(b"\xff")
    assert ["aragora.toml: cannot be read as text"] == faults_of(toml_path=tmp_path / "aragora.toml")
    assert stat.S_ISDIR(tmp_path.stat().st_mode)
    assert [f"{tmp_path.name}: cannot be read as text"] == faults_of(toml_path=tmp_path)


def test_process_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """load_here takes what this process was given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARAGORA_MAX_AGENTS", "7")
    a_file(tmp_path, "max_rounds = 6")
    settings = config.load_here({}).settings
    assert (7, 6) == (settings.max_agents, settings.max_rounds)


@pytest.mark.parametrize(
    "url", ["cache", "http://cache", "redis://", "redis://cache/main", "redis+sentinel://a:1,b:2", "redis+cluster:///0"]
)
def test_redis_that_cannot_be_found_is_refused(url: str) -> None:
    """A URL names a server; one of sentinels the master as well."""
    (fault,) = faults_of(environ={"ARAGORA_REDIS_URL": url})
    assert fault.startswith("ARAGORA_REDIS_URL: must look like redis://HOST:PORT")


@pytest.mark.parametrize(
    "url", ["redis://cache", "rediss://me:p%2Fw@cache:1/2", "redis+cluster://a:1,b:2", "redis+sentinel://:x@a:1,[::1]:2/main"]
)
def test_redis_in_every_form(url: str) -> None:
    """One server, a cluster, or sentinels."""
    assert url == load({}, {"ARAGORA_REDIS_URL": url}, None).settings.redis_url
