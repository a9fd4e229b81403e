"""What is put on its way to those who are told, on every database."""

from pathlib import Path

from aragora import app
from aragora.store.records import Batch, Filing
from builders import a_brief, in_loop, parts_at


@in_loop
async def test_end_of_a_batch_is_put_on_its_way_once(tmp_path: Path) -> None:
    """Not while one of its debates runs, and not again; events of its debates are not told to it."""
    async with parts_at(tmp_path, run=False, person_timeout_s=60) as parts:
        hooks, told = parts.webhooks.hooks, []
        await parts.shelf.add_batch(Batch(id="b1", n=2, metadata={}, created_at=app.now()), None)
        ids = [await parts.engine.create(a_brief(), filing=Filing(batch_id="b1")) for _ in range(2)]
        hook = await parts.webhooks.await_batch("http://127.0.0.1:9/", "b1", owner_id=None)
        for debate_id in (*ids, ""):
            for _ in range(2):
                await hooks.end_batches(at=app.now(), limit=10)
            told.append([row.type for row in (await hooks.deliveries(hook.id, limit=10, offset=0))[0]])
            if debate_id:
                await parts.engine.cancel(debate_id)
        assert [[], [], ["batch_end"]] == told
        assert [{"id": debate_id, "status": "cancelled"} for debate_id in sorted(ids)] == await hooks.batch("b1")
        assert [] == await hooks.all()
