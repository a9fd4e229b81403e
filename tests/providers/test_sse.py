"""Server-sent events come out the same, however the network cuts them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aragora.providers.sse import Events

DATA = st.lists(
    st.binary(min_size=1, max_size=30).filter(lambda data: not set(data) & set(b"\r\n") and data == data.strip()), max_size=10
)


@given(DATA, st.lists(st.integers(0, 400), max_size=20), st.booleans(), st.booleans())
def test_events_do_not_depend_on_the_cuts(data: list[bytes], cuts: list[int], crlf: bool, named: bool) -> None:
    """Names, comments and line ends change nothing."""
    end = b"\r\n" if crlf else b"\n"
    head = b": ping" + end + (b"event: x" + end if named else b"")
    stream = b"".join(head + b"data: " + one + end + end for one in data)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    events, found = Events(), list[bytes]()
    for first, last in pairwise(places):
        found += events.feed(stream[first:last])
    assert found == data


def test_an_event_that_is_not_completed_is_not_told() -> None:
    """The end of the stream is no end of an event."""
    assert Events().feed(b"data: half\n") == []


def test_lines_of_one_event_are_joined() -> None:
    """As the standard says, by a line break."""
    assert Events().feed(b"data: one\ndata:two\nid: 7\n\n") == [b"one\ntwo"]
