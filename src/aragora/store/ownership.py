"""Whose a debate is, and who may read it. Imports the port and its siblings."""

from dataclasses import dataclass

from aragora.store import Database, Statement, Value
from aragora.store.records import Visibility
from aragora.store.store import ID

OWNED = "SELECT owner_id, visibility FROM debates WHERE id = :id"
SET_VISIBILITY = "UPDATE debates SET visibility = :visibility WHERE id = :id AND visibility <> :visibility RETURNING 1 AS seq"
COUNT_PUBLIC = """
UPDATE counters SET n = n + :more WHERE name = 'debates/public'
"""
INSERT_SHARE = """
INSERT INTO shares (id, debate_id, hash, created_at, expires_at)
SELECT :id, :debate_id, :hash, :at, :expires_at
WHERE (SELECT COUNT(*) FROM shares WHERE debate_id = :debate_id) < :links_max
RETURNING 1 AS seq
"""
SHARES = "SELECT id, created_at, expires_at FROM shares WHERE debate_id = :id ORDER BY created_at DESC, id DESC"
REVOKE = "DELETE FROM shares WHERE debate_id = :id RETURNING id"
REVOKE_ONE = "DELETE FROM shares WHERE debate_id = :id AND id = :share_id RETURNING id"
# A link leads nowhere once its debate is private again, even if it was not revoked.
BY_LINK = """
SELECT s.debate_id FROM shares s JOIN debates d ON d.id = s.debate_id
WHERE s.hash = :hash AND (s.expires_at IS NULL OR s.expires_at > :at) AND d.visibility <> 'private'
"""


@dataclass(frozen=True, slots=True)
class Owned:
    """Whose a debate is; nobody's when it was made without logging in."""

    owner_id: str | None
    visibility: Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A share link as it is listed; its token is nowhere."""

    id: str
    created_at: str
    expires_at: str | None


class Ownership:
    """Owners, visibility and share links on one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database whose schema is up to date."""
        self._db = database

    async def of(self, debate_id: str) -> Owned | None:
        """Whose a debate is; None when there is no such debate."""
        rows = ID.match(debate_id) and await self._db.read(OWNED, {"id": debate_id})
        if not rows:
            return None
        owner_id, visibility = rows[0]
        return Owned(None if owner_id is None else str(owner_id), Visibility(str(visibility)))

    async def show(self, debate_id: str, before: Visibility, after: Visibility) -> None:
        """Change who may read a debate."""
        more = (after is Visibility.PUBLIC) - (before is Visibility.PUBLIC)
        work = [Statement(SET_VISIBILITY, {"id": debate_id, "visibility": after})]
        if more:
            work.append(Statement(COUNT_PUBLIC, {"more": more}))
        await self._db.write(work)

    async def add_link(self, debate_id: str, link: Link, token_hash: str, *, links_max: int) -> bool:
        """Store a share link; False when the debate has as many as it may."""
        values: dict[str, Value] = {
            "id": link.id,
            "debate_id": debate_id,
            "hash": token_hash,
            "at": link.created_at,
            "expires_at": link.expires_at,
            "links_max": links_max,
        }
        return bool(await self._db.write([Statement(INSERT_SHARE, values)]))

    async def links(self, debate_id: str) -> list[Link]:
        """The debate's share links, newest first."""
        rows = await self._db.read(SHARES, {"id": debate_id})
        return [Link(id=str(each), created_at=str(at), expires_at=None if end is None else str(end)) for each, at, end in rows]

    async def revoke(self, debate_id: str, share_id: str = "") -> int:
        """Take back one share link, or all; how many there were."""
        sql, values = (REVOKE_ONE, {"id": debate_id, "share_id": share_id}) if share_id else (REVOKE, {"id": debate_id})
        return len(await self._db.write([Statement(sql, values)]))

    async def by_link(self, token_hash: str, at: str) -> str | None:
        """The debate that a link leads to, while it does."""
        rows = await self._db.read(BY_LINK, {"hash": token_hash, "at": at})
        return str(rows[0][0]) if rows else None
