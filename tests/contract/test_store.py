"""What the store promises, on every database."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from time import monotonic

import asyncpg
import pytest

import servers
from aragora.app import run
from aragora.debate.consensus import cancelled
from aragora.debate.events import DebateEnded, DebateStarted, PersonVoted, RoundCompleted, Switched
from aragora.debate.model import Abstention, Ballot, Brief, Fault, Message, Phase, Seat, Status, Tally
from aragora.debate.receipt import receipt
from aragora.errors import Conflict, Fenced, NotFound, StoreError
from aragora.store import Migration, Statement, listing, position
from aragora.store.audience import Audience
from aragora.store.chain import entries
from aragora.store.copy import copy
from aragora.store.ownership import Ownership
from aragora.store.postgres import connect
from aragora.store.records import Cursor, Reader, Visibility
from aragora.store.repeats import Repeats
from aragora.store.sqlite import Sqlite
from aragora.store.stamps import Stamp
from aragora.store.store import Store

Open = Callable[[], AbstractAsyncContextManager[Store]]
AT = "2026-01-01T00:00:0{}.000000Z"
NOW = AT.format(0)
A_TALLY = Tally(leader="demo-1", agreement=1.0, reached=True, counts={"demo-1": 2}, eligible=2, received=2)


def a_brief(topic: str = "Tabs or spaces?", rounds: int = 2) -> Brief:
    """A brief of two seats."""
    seats = (Seat(name="demo-1", agent="demo"), Seat(name="demo-2", agent="demo"))
    return Brief(topic=topic, seats=seats, rounds=rounds)


def a_message(seat: str = "demo-1", phase: Phase = Phase.PROPOSE, content: str = "Tabs.") -> Message:
    """What a seat said."""
    return Message(round=1, phase=phase, seat=seat, content=content)


def a_vote(voter: str = "ann", choice: str = "demo-1", reason: str = "") -> PersonVoted:
    """A person's vote."""
    return PersonVoted(voter=voter, choice=choice, reason=reason)


def with_store(opened: Open, body: Callable[[Store], Awaitable[None]]) -> None:
    """Run a test's body on an open store."""

    async def main() -> None:
        async with opened() as store:
            await body(store)

    run(main())


def test_events_are_numbered_without_gaps(opened: Open) -> None:
    """Numbers start with 1 and go on by one, in the order of recording."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        for seat in ("demo-1", "demo-2"):
            await store.append("d1", a_message(seat), at=NOW)
        await store.append("d1", RoundCompleted(round=1, tally=A_TALLY), at=NOW)
        assert [1, 2, 3, 4] == [event.seq for event in await store.events("d1")]
        assert 4 == (await store.debate("d1")).last_seq
        assert 1 == (await store.debate("d1")).round
        assert ["demo-1", "demo-2"] == [spoken.seat for spoken in await store.messages("d1")]
        assert 2 == await store.count("d1", "messages")

    with_store(opened, body)


def test_event_recorded_twice_is_recorded_once(opened: Open) -> None:
    """The same key again gives the number it has; this is what makes a repeated call harmless."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        first = await store.append("d1", a_message(), at=NOW)
        again = await store.append("d1", a_message(content="Spaces."), at=NOW)
        assert (2, True, 2, False) == (first.seq, first.fresh, again.seq, again.fresh)
        assert ["Tabs."] == [spoken.content for spoken in await store.messages("d1")]

    with_store(opened, body)


def test_concurrent_appends_leave_no_gap(opened: Open) -> None:
    """Many writers on one log take turns; each event has its own number."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        async with asyncio.TaskGroup() as tasks:
            for number in range(60):
                tasks.create_task(store.append("d1", a_message(f"demo-{number}"), at=NOW))
                tasks.create_task(store.append("d1", a_message(f"demo-{number // 2}"), at=NOW))
        assert list(range(1, 62)) == [event.seq for event in await store.events("d1")]

    with_store(opened, body)


def test_two_processes_share_one_log(opened: Open) -> None:
    """Two open stores on the same database keep one order and lose nothing."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        async with opened() as other, asyncio.TaskGroup() as tasks:
            for number in range(40):
                tasks.create_task((store, other)[number % 2].append("d1", a_message(f"demo-{number}"), at=NOW))
                tasks.create_task((store, other)[number % 2].vote("d1", a_vote(f"voter-{number % 10}"), at=NOW))
        events = await store.events("d1")
        assert list(range(1, len(events) + 1)) == [event.seq for event in events]
        assert 1 + 40 + 10 == len(events)
        assert {"demo-1": 10} == await store.people("d1")

    with_store(opened, body)


def test_stale_runner_is_fenced(opened: Open) -> None:
    """Once a second runner has the debate, the first can write nothing."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        first = await store.claim("d1", at=NOW)
        await store.append("d1", a_message(), at=NOW, epoch=first.epoch)
        second = await store.claim("d1", at=NOW)
        assert [a_message().content] == [message.content for message in second.recorded.values()]
        for seat in ("demo-1", "demo-2"):  # what is recorded already is none of its business any more
            with pytest.raises(Fenced):
                await store.append("d1", a_message(seat), at=NOW, epoch=first.epoch)
        assert (await store.append("d1", a_message("demo-2"), at=NOW, epoch=second.epoch)).fresh

    with_store(opened, body)


def test_ended_debate_takes_nothing(opened: Open) -> None:
    """After the end there are no events, votes or runners."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        await store.append("d1", DebateEnded(outcome=cancelled(rounds=0, detail=""), seconds=1.5), at=NOW)
        assert Status.CANCELLED == (await store.debate("d1")).status
        with pytest.raises(Fenced):
            await store.append("d1", a_message(), at=NOW)
        with pytest.raises(Fenced):
            await store.claim("d1", at=NOW)
        with pytest.raises(Conflict):
            await store.vote("d1", a_vote(), at=NOW)
        assert [] == await store.unfinished()

    with_store(opened, body)


def test_debate_not_started_takes_its_start_only(opened: Open) -> None:
    """A stored debate waits for its first event."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=False)
        with pytest.raises(Conflict):
            await store.append("d1", a_message(), at=NOW)
        with pytest.raises(Conflict):
            await store.vote("d1", a_vote(), at=NOW)
        assert (await store.append("d1", DebateStarted(brief=a_brief()), at=NOW)).fresh
        assert not (await store.append("d1", DebateStarted(brief=a_brief()), at=NOW)).fresh
        assert ["d1"] == await store.unfinished()

    with_store(opened, body)


def test_vote_counts_once(opened: Open) -> None:
    """The same vote again is nothing new; a changed mind replaces the vote and is a new event."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(store.vote("d1", a_vote(), at=NOW))
        assert 2 == (await store.debate("d1")).last_seq
        changed = await store.vote("d1", a_vote(choice="demo-2"), at=NOW)
        assert (3, True) == (changed.seq, changed.fresh)
        assert {"demo-2": 1} == await store.people("d1")
        assert 1 == await store.count("d1", "votes")

    with_store(opened, body)


def test_kept_count_is_what_the_votes_say(opened: Open) -> None:
    """The count beside the votes follows every vote and every changed mind, of many voters at once."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        async with asyncio.TaskGroup() as tasks:
            for number in range(60):
                vote = a_vote(f"voter-{number % 17}", choice=f"demo-{1 + number % 3}")
                tasks.create_task(store.vote("d1", vote, at=NOW))
        said = Counter(cast.choice for cast in await store.votes("d1"))
        assert 17 == sum(said.values())
        assert dict(said) == await store.people("d1")

    with_store(opened, body)


def test_ballots_and_abstentions(opened: Open) -> None:
    """A ballot is a vote and no message; an abstention is neither."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        ballot = Ballot(choice="demo-2", confidence=0.75, reason="Better.")
        await store.append("d1", Message(round=1, phase=Phase.VOTE, seat="demo-1", ballot=ballot), at=NOW)
        silent = Message(round=1, phase=Phase.VOTE, seat="demo-2", abstention=Abstention(fault=Fault.TIMEOUT, detail="slow"))
        await store.append("d1", silent, at=NOW)
        (cast,) = await store.votes("d1")
        assert ("seat", "demo-1", "demo-2", 0.75) == (cast.kind, cast.voter, cast.choice, cast.confidence)
        assert [] == await store.messages("d1")

    with_store(opened, body)


def test_lists_go_on_where_they_were(opened: Open) -> None:
    """Newest first; a cursor goes on behind the last one seen; totals follow the status."""

    async def body(store: Store) -> None:
        for number in range(5):
            await store.create(f"d{number}", a_brief(f"Topic {number}"), at=AT.format(number), start=number != 4)
        await store.append("d0", DebateEnded(outcome=cancelled(rounds=0, detail=""), seconds=0), at=NOW)
        page = await store.debates(limit=2)
        assert ["d4", "d3"] == [row.id for row in page]
        rest = await store.debates(limit=5, before=Cursor(page[-1].created_at, page[-1].id))
        assert ["d2", "d1", "d0"] == [row.id for row in rest]
        assert ["d0"] == [row.id for row in await store.debates(limit=5, statuses=(Status.CANCELLED,))]
        assert (5, 1, 4) == (await store.total(), await store.total((Status.CANCELLED,)), await store.total((Status.PENDING,)))

    with_store(opened, body)


def test_count_of_many_is_believed_for_a_moment(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting looks at every row, so it is not done for each who asks; what is few, and all, is always as it is."""
    monkeypatch.setattr(listing, "COUNTED_EACH_TIME_MAX", 2)

    async def body(store: Store) -> None:
        for number in range(4):
            await store.create(f"d{number}", a_brief(), at=NOW, start=True)
            assert (min(number + 1, 3), number + 1) == (await store.total([Status.PENDING]), await store.total())
        assert (0, 3) == (await store.total([Status.ACTIVE]), await store.total([Status.PENDING, Status.ACTIVE]))
        monkeypatch.setattr(listing, "monotonic", lambda: monotonic() + 2 * listing.BELIEVED_S)
        assert 4 == await store.total([Status.PENDING])
        assert (0, 4) == (await store.total([Status.COMPLETED]), await store.total([Status.COMPLETED, Status.PENDING]))

    with_store(opened, body)


def test_any_text_comes_back_as_it_was(opened: Open) -> None:
    """Quotes, colons, casts, line breaks and every script survive both ways of passing parameters."""
    text = "it's :name ::text $1 'q' \\ \n\t \u2028 \U0001f3db ÅÉ 漢字 {\"a\": [1.5, null]} %s ?"

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(text), at=NOW, start=True)
        await store.append("d1", a_message(content=text), at=NOW)
        await store.vote("d1", a_vote(reason=text), at=NOW)
        assert text == (await store.debate("d1")).brief.topic
        assert [text] == [spoken.content for spoken in await store.messages("d1")]
        assert [text] == [cast.reason for cast in await store.votes("d1")]

    with_store(opened, body)


def test_what_is_not_there_is_not_found(opened: Open) -> None:
    """An unknown id, even one that no id can be, is answered as such."""

    async def body(store: Store) -> None:
        for unknown in ("nothing", "'; DROP TABLE debates; --", "", "\u0000"):
            with pytest.raises(NotFound):
                await store.debate(unknown)
        with pytest.raises(NotFound):
            await store.append("nothing", a_message(), at=NOW)

    with_store(opened, body)


def test_one_bad_write_fails_alone(opened: Open) -> None:
    """Writes that travel together stand or fall each on their own."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        bad = Statement("INSERT INTO counters (name, n) VALUES (:name, :n)", {"name": "debates", "n": 0})
        outcomes: list[object] = []

        async def write_badly() -> None:
            with pytest.raises(StoreError):
                await store._db.write([bad])
            outcomes.append("refused")

        async with asyncio.TaskGroup() as tasks:
            for number in range(10):
                tasks.create_task(store.append("d1", a_message(f"demo-{number}"), at=NOW))
                tasks.create_task(write_badly())
        assert 10 == len(outcomes)
        assert list(range(1, 12)) == [event.seq for event in await store.events("d1")]
        assert 1 == await store.total()

    with_store(opened, body)


def test_failed_write_leaves_nothing(opened: Open) -> None:
    """A write whose second statement fails has not happened at all."""

    async def body(store: Store) -> None:
        count = Statement("UPDATE counters SET n = n + 1 WHERE name = 'debates' RETURNING n AS seq", {})
        with pytest.raises(StoreError):
            await store._db.write([count, Statement("INSERT INTO counters (name, n) VALUES ('debates', :seq)", {})])
        assert 0 == await store.total()

    with_store(opened, body)


def test_guard_hands_its_number_on(opened: Open) -> None:
    """The first column of the guard is :seq in what follows; without a row nothing follows."""

    async def body(store: Store) -> None:
        guard = Statement(
            "UPDATE counters SET n = n + :more WHERE name = :name RETURNING n AS seq, name", {"more": 41, "name": "debates"}
        )
        follow = Statement("INSERT INTO counters (name, n) VALUES (:name, :seq)", {"name": "copy"})
        assert [(41, "debates")] == await store._db.write([guard, follow])
        absent = Statement(guard.sql, {"more": 1, "name": "absent"})
        assert [] == await store._db.write([absent, Statement(follow.sql, {"name": "never"})])
        assert [("copy", 41), ("debates", 41)] == await store._db.read(
            "SELECT name, n FROM counters WHERE n > 0 ORDER BY name", {}
        )

    with_store(opened, body)


def test_schema_is_brought_up_to_date_once(opened: Open) -> None:
    """Steps are applied once, by one of those who try at the same time, and never again when they were edited."""
    step = Migration(name="9999_try", sql="CREATE TABLE tried (a TEXT); CREATE INDEX idx_tried ON tried (a);")

    async def body(store: Store) -> None:
        async with opened() as other:
            async with asyncio.TaskGroup() as tasks:
                both = [tasks.create_task(each._db.migrate([step], NOW)) for each in (store, other)]
            assert [["9999_try"], []] == sorted((task.result() for task in both), reverse=True)
            with pytest.raises(StoreError):
                await other._db.migrate([Migration(name="9999_try", sql="CREATE TABLE other (a TEXT)")], NOW)

    with_store(opened, body)


def test_broken_step_leaves_nothing(opened: Open) -> None:
    """A step that fails half-way is not there at all."""
    step = "CREATE TABLE half (a TEXT)"

    async def body(store: Store) -> None:
        with pytest.raises(Exception, match=r".") as failed:
            await store._db.migrate(
                [Migration(name="9999_try", sql="CREATE TABLE half (a TEXT); CREATE TABLE half (a TEXT)")], NOW
            )
        assert not isinstance(failed.value, AssertionError)
        assert ["9999_try"] == await store._db.migrate([Migration(name="9999_try", sql=step)], NOW)

    with_store(opened, body)


def test_log_leads_to_the_heads_that_were_stored_with_it(opened: Open) -> None:
    """Each event is stored with the head of the chain; whatever is changed in the rows later is found, and where."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        await asyncio.gather(*(store.append("d1", a_message(seat, content="ü\u2028\\"), at=NOW) for seat in ("demo-1", "demo-2")))
        await store.vote("d1", a_vote(), at=NOW)
        await Audience(store.database).switch("d1", Switched(paused=True), at=NOW)
        log = await entries(store.database, "d1")
        heads = [row[0] for row in await store.database.read("SELECT head FROM events ORDER BY seq", {})]
        assert [receipt("d1", log[: number + 1])["head"] for number in range(len(log))] == heads
        for change in (
            "UPDATE events SET data = REPLACE(data, 'demo-2', 'demo-1') WHERE debate_id = 'd1' AND seq = 3",
            "UPDATE events SET created_at = '2027' WHERE debate_id = 'd1' AND seq = 3",
            "DELETE FROM events WHERE debate_id = 'd1' AND seq = 3",
        ):
            await store.database.write([Statement(change, {})])
            with pytest.raises(Conflict, match="from event 3 on"):
                await entries(store.database, "d1")

    with_store(opened, body)


def test_events_from_before_the_chain_are_read(opened: Open) -> None:
    """A debate that began before heads were stored goes on without them, and its log is read."""

    async def body(store: Store) -> None:
        await store.create("d1", a_brief(), at=NOW, start=True)
        await store.database.write([Statement("UPDATE events SET head = NULL", {})])
        await store.append("d1", a_message(), at=NOW)
        assert 2 == len(await entries(store.database, "d1"))
        assert [(None,), (None,)] == await store.database.read("SELECT head FROM events", {})
        with pytest.raises(NotFound):
            await entries(store.database, "d2")

    with_store(opened, body)


def test_everything_is_copied(tmp_path: Path, database: servers.Postgres) -> None:
    """A team's SQLite file comes to PostgreSQL whole, once; a log that differs would be found."""
    name = "copied"
    database.sql(f"CREATE DATABASE {name}")

    async def main() -> None:
        source = Store(Sqlite(tmp_path / "debates.db"))
        await source.migrate(NOW)
        for number in range(3):
            await source.create(f"d{number}", a_brief(), at=NOW, start=True)
            await source.append(f"d{number}", a_message(content="it's ü"), at=NOW)
            await source.vote(f"d{number}", a_vote(), at=NOW)
        async with connect(database.url(name)) as target:
            store = Store(target)
            await store.migrate(NOW)
            counts = await copy(source.database, target)
            assert (3, 9, 3) == (counts["debates"], counts["events"], counts["votes"])
            assert [event.frame for event in await source.events("d1")] == [event.frame for event in await store.events("d1")]
            assert (await source.total(), await source.debate("d2")) == (await store.total(), await store.debate("d2"))
            assert (await store.append("d1", a_message("demo-2"), at=NOW)).fresh
            assert 4 == len(await entries(target, "d1"))
            with pytest.raises(Conflict):
                await copy(source.database, target)
            await store.close()
        await source.close()

    run(main())


@pytest.fixture(scope="module")
def replicated() -> Iterator[tuple[servers.Postgres, servers.Postgres]]:
    """A PostgreSQL of its own, and its copy."""
    with servers.postgres() as primary, servers.standby(primary, "late") as replica:
        yield primary, replica


Replicated = tuple[servers.Postgres, servers.Postgres]


async def arrived(replica: servers.Postgres, name: str, debates: int) -> None:
    """Wait until the copy has so many debates."""
    async with asyncio.timeout(10):
        while await asyncio.to_thread(replica.sql, "SELECT COUNT(*) FROM debates", name) != str(debates):
            await asyncio.sleep(0.02)


def test_copy_serves_lists_but_never_hides_what_its_reader_wrote(replicated: Replicated) -> None:
    """Lists come from the replica, unless it lacks what this caller wrote; when it is away, they come from the primary."""
    primary, replica = replicated
    name = "read"
    primary.sql(f"CREATE DATABASE {name}")

    async def main() -> None:
        async with connect(primary.url(name), replica_url=replica.url(name)) as both:
            store = Store(both)
            await store.migrate(NOW)
            await store.create("d1", a_brief(), at=NOW, start=True)
            await arrived(replica, name, 1)
            replica.sql("SELECT pg_wal_replay_pause()", name)
            await store.create("d2", a_brief(), at=NOW, start=True)
            assert {"d1", "d2"} == {row.id for row in await store.debates(limit=5)}
            position.set("")
            assert ["d1"] == [row.id for row in await store.debates(limit=5)]
            replica.sql("SELECT pg_wal_replay_resume()", name)
            replica.kill()
            assert {"d1", "d2"} == {row.id for row in await store.debates(limit=5)}
            await store.close()

    run(main())
    replica.start()


def test_lists_never_show_what_was_just_made_private(replicated: Replicated) -> None:
    """A replica that does not know of it yet is not believed."""
    primary, replica = replicated
    name = "hidden"
    primary.sql(f"CREATE DATABASE {name}")

    async def main() -> None:
        async with connect(primary.url(name), replica_url=replica.url(name)) as both:
            store, stranger = Store(both), Reader("")
            await store.migrate(NOW)
            for number in range(3):
                await store.create(f"d{number}", a_brief(), at=AT.format(number), start=True)
            await arrived(replica, name, 3)
            replica.sql("SELECT pg_wal_replay_pause()", name)
            await Ownership(both).show("d1", Visibility.PUBLIC, Visibility.PRIVATE)
            position.set("")
            running = (Status.PENDING, Status.ACTIVE)
            for statuses in ((), running):
                found = await store.debates(limit=5, reader=stranger, statuses=statuses)
                assert ["d2", "d0"] == [row.id for row in found]
            assert 2 == await store.total(reader=stranger)
            assert 3 == len(await store.debates(limit=5))  # whoever may see everything, sees the copy
            replica.sql("SELECT pg_wal_replay_resume()", name)
            await store.close()

    run(main())


def test_mark_of_a_request_is_in_the_transaction_of_its_effect(opened: Open) -> None:
    """A request that is to be done once leaves its mark with the first write that takes effect, and with no other."""

    async def body(store: Store) -> None:
        repeats, stamp = Repeats(store.database), Stamp("once")
        assert await repeats.reserve("once", "print", at=NOW, before=NOW, dead=NOW)
        with stamp.held():
            with pytest.raises(NotFound):
                await store.append("nothing", a_message(), at=NOW)
            assert not stamp.made
            await store.create("d1", a_brief(), at=NOW, start=True)
            await store.create("d2", a_brief(), at=NOW, start=True)
        known = await repeats.find("once")
        assert known is not None
        assert (True, "done", "d1") == (stamp.made, known.state, known.reference)

    with_store(opened, body)


def test_index_is_built_while_others_write(database: servers.Postgres) -> None:
    """Building an index waits for those who write and holds up nobody; one half built by a dead process is built anew."""
    name = "indexed"
    database.sql(f"CREATE DATABASE {name}")
    step = Migration(name="9999_try", sql="-- Why.\n\nCREATE INDEX CONCURRENTLY idx_try ON debates (round, id);\n")

    async def main() -> None:
        async with connect(database.url(name)) as one, connect(database.url(name)) as other:
            store = Store(one)
            await store.migrate(NOW)
            await store.create("d1", a_brief(), at=NOW, start=True)
            writer = await asyncpg.connect(database.url(name))
            transaction = writer.transaction()
            await transaction.start()
            await writer.execute("UPDATE debates SET round = 0 WHERE id = 'd1'")
            async with asyncio.TaskGroup() as tasks:
                both = [tasks.create_task(each.migrate([step], NOW)) for each in (one, other)]
                await asyncio.sleep(0.5)
                assert not any(task.done() for task in both)
                await store.create("d2", a_brief(), at=NOW, start=True)
                await transaction.commit()
            assert [["9999_try"], []] == sorted((task.result() for task in both), reverse=True)
            await writer.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_try'::regclass")
            await writer.execute("DELETE FROM migrations WHERE name = '9999_try'")
            assert ["9999_try"] == await one.migrate([step], NOW)
            assert await writer.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_try'::regclass")
            await writer.close()
            await store.close()

    run(main())


def test_statements_are_kept_only_where_no_pooler_stands_between(database: servers.Postgres) -> None:
    """A pooler would give a kept statement to a connection that does not know it, or knows another under its name."""

    async def kept(port: int) -> bool:
        async with connect(f"postgresql://postgres@127.0.0.1:{port}/{servers.DATABASE}", pool_max=1) as opened:
            for number in range(3):
                assert [(number,)] == await opened.read("SELECT CAST(:number AS bigint)", {"number": number})
            rows = await opened.read("SELECT COUNT(*) FROM pg_prepared_statements WHERE name <> ''", {})
            await opened.close()
            return bool(rows[0][0])

    async def main() -> None:
        with servers.pgbouncer(database) as pooler:
            assert (True, False) == (await kept(database.port), await kept(pooler.port))

    run(main())


def test_database_keeps_so_many_plans_and_no_more(database: servers.Postgres) -> None:
    """Texts are planned once for each connection; when there are too many of them, all are forgotten and none is lost."""

    async def main() -> None:
        async with connect(database.url(), pool_max=1) as opened:
            await Store(opened).migrate(NOW)
            for first in range(0, 1000, 250):
                texts = [Statement(f"SELECT {number} AS seq", {}) for number in range(first, first + 250)]
                rows = await asyncio.gather(*(opened.write([text]) for text in texts))
                assert [[(number,)] for number in range(first, first + 250)] == rows
            kept = await opened.read("SELECT COUNT(*) FROM pg_prepared_statements WHERE name LIKE 'aragora %'", {})
            await opened.close()
        assert 0 < int(str(kept[0][0])) <= 750

    run(main())


def test_close_is_not_held_up_by_a_database_that_is_gone() -> None:
    """What waits then fails together; one after the other, each would wait its full time while the process cannot end."""
    with servers.postgres() as server:

        async def main() -> None:
            async with asyncio.timeout(20):
                async with connect(server.url(), wait_s=3.0) as database:
                    store = Store(database)
                    await store.migrate(NOW)
                    server.kill()
                    writes = [asyncio.create_task(store.create(f"d{n}", a_brief(), at=NOW, start=True)) for n in range(60)]
                    await asyncio.sleep(0)  # until all of them wait
                    await store.close()
                refused = await asyncio.gather(*writes, return_exceptions=True)
            assert all(isinstance(error, StoreError) for error in refused)

        run(main())
