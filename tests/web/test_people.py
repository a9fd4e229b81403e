"""What people do in a debate from the page: vote, suggest, hold a seat, steer it, log in, pass it on."""

from typing import TYPE_CHECKING

from browser import a_page, ask, log_in, refused_only
from builders import Served
from people import a_person

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# A debate that is still open however long a busy machine takes to get to the next press.
OPEN: dict[str, object] = {"rounds": 8, "stops": []}


def vote_for(page: "Page", place: int) -> None:
    """Choose a seat and press the button."""
    page.locator(".pick").nth(place).click()
    page.locator(".people .send button").first.click()


def test_vote_and_change_of_vote(browser: "Browser", lively: Served) -> None:
    """A vote is counted once, can be changed, and is seen by another who watches."""
    debate_id = ask(lively, **OPEN)
    with a_page(browser, lively) as one, a_page(browser, lively) as two:
        page, other = one.go(f"/d/{debate_id}"), two.go(f"/d/{debate_id}")
        page.locator(".pick").nth(0).click()
        page.get_by_role("button", name="Vote", exact=True).click()
        page.get_by_text("is counted").wait_for()
        other.locator(".pick .n", has_text="1").wait_for()
        page.locator(".pick").nth(2).click()
        page.locator("#reason").fill("It is <i>bolder</i>.")
        page.get_by_role("button", name="Change my vote").click()
        other.get_by_text("It is <i>bolder</i>.").wait_for()
        votes = lively.ask(f"/api/debates/{debate_id}/votes").json
        people = [vote for vote in votes["votes"] if vote["kind"] == "person"]
        assert [("demo-3", "It is <i>bolder</i>.")] == [(vote["choice"], vote["reason"]) for vote in people]
        assert [] == one.wrongs + two.wrongs


def test_own_vote_is_known_after_a_reload(browser: "Browser", lively: Served) -> None:
    """Whoever voted sees it again: in this browser after a reload, and in another not."""
    debate_id = ask(lively, **OPEN)
    with a_page(browser, lively) as one, a_page(browser, lively) as two:
        page, other = one.go(f"/d/{debate_id}"), two.go(f"/d/{debate_id}")
        page.locator(".pick").first.wait_for()
        vote_for(page, 1)
        other.locator(".pick .n", has_text="1").wait_for()
        page.reload()
        page.get_by_text("Your vote for demo-2 is counted").wait_for()
        assert page.locator(".pick input").nth(1).is_checked()
        assert "Vote" == other.locator(".people .send button").first.inner_text()
        assert [] == one.wrongs + two.wrongs


def test_pause_suggest_and_go_on(browser: "Browser", lively: Served) -> None:
    """A debate rests when told to, takes a suggestion, and goes on; who watches elsewhere sees the same."""
    with a_page(browser, lively) as one, a_page(browser, lively) as two:
        debate_id = ask(lively, rounds=5, stops=[])
        page, other = one.go(f"/d/{debate_id}"), two.go(f"/d/{debate_id}")
        page.get_by_role("button", name="Pause").click()
        other.locator(".badge", has_text="Paused").wait_for()
        page.locator("#suggestion").fill("Think of <b>the users</b>.")
        page.get_by_role("button", name="Suggest").click()
        other.locator(".reasons", has_text="Think of <b>the users</b>.").wait_for()
        other.get_by_role("button", name="Resume").click()
        page.locator(".result").wait_for()
        assert [] == one.wrongs + two.wrongs


def test_cancel_asks_first(browser: "Browser", lively: Served) -> None:
    """A debate is ended by two presses, and the page says that it was."""
    with a_page(browser, lively) as watched:
        page = watched.go(f"/d/{ask(lively, **OPEN)}")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="End it").click()
        page.locator(".verdict", has_text="Cancelled").wait_for()
        assert [] == watched.wrongs


def test_person_holds_a_seat(browser: "Browser", lively: Served) -> None:
    """A seat is taken with a press; the page asks when it is its turn, and what was said is heard like anybody's."""
    with a_page(browser, lively) as watched:
        page = watched.go("/")
        page.get_by_label("Your question").fill("Should we <i>test</i> first?")
        page.get_by_label("Remove demo:pragmatist").click()
        page.get_by_label("Add yourself").click()
        for _ in range(2):
            page.get_by_label("Fewer rounds").click()
        page.get_by_role("button", name="Hold the debate").click()
        turn = page.locator(".turn")
        for phase in ("answer blind", "vote", "critique", "revise", "vote"):
            turn.locator("h2", has_text=phase).wait_for()
            if phase == "critique":
                watched.shot("turn")
                assert [] == watched.flaws()
            if turn.locator("input").count():
                turn.locator("label.pick").first.click()
            turn.locator("textarea").fill(f"My {phase}, with <b>reasons</b>.")
            turn.get_by_role("button", name="Say it").click()
            turn.locator("h2", has_text=phase).wait_for(state="detached")
        page.locator(".result").wait_for()
        shown = page.locator(".board").inner_text()
        assert "My revise, with <b>reasons</b>." in shown
        assert "My critique, with <b>reasons</b>." in shown
        assert [] == watched.wrongs


def test_account_from_registration_to_a_private_debate(browser: "Browser", guarded: Served) -> None:
    """Where callers log in, the page makes an account, holds a debate under it, makes a key and logs out; others see nothing."""
    with a_page(browser, guarded) as watched:
        page = watched.go("/account")
        page.get_by_role("button", name="I have no account yet").click()
        page.get_by_label("E-mail").fill("ada@example.org")
        page.get_by_label("Password").fill("correct horse battery")
        page.get_by_role("button", name="Make it").click()
        page.locator(".example").first.click()
        page.locator(".pick").first.wait_for()
        vote_for(page, 2)
        page.get_by_text("Your vote for demo:pragmatist is counted").wait_for()
        page.reload()
        page.get_by_text("Your vote for demo:pragmatist is counted").wait_for()
        address = page.url
        page.locator(".result").wait_for()
        page.get_by_text("You chose demo:pragmatist").wait_for()
        assert page.evaluate(r"() => !/\bara[a-z]*_/.test(Object.values(localStorage).join())")
        page.get_by_role("link", name="Account").click()
        page.get_by_placeholder("Name of a new key").fill("laptop")
        page.get_by_role("button", name="Make a key").click()
        made = page.locator(".notice code").inner_text()
        assert 200 == guarded.ask("/api/auth/me", Authorization=f"Bearer {made}").status
        watched.shot("account-light-1440")
        assert [] == watched.flaws()
        page.get_by_role("button", name="Delete the key laptop").click()
        page.get_by_text("There is none yet.").wait_for()
        assert 401 == guarded.ask("/api/auth/me", Authorization=f"Bearer {made}").status
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("heading", name="Log in").wait_for()
        assert [] == watched.flaws()
        page.goto(address)
        page.get_by_role("heading", name="No such debate").wait_for()
        assert [] == refused_only(watched)


def test_guest_is_asked_to_log_in(browser: "Browser", guarded: Served) -> None:
    """Where an account is needed, the page says so and leads there."""
    with a_page(browser, guarded) as watched:
        page = watched.go("/")
        page.locator(".example").first.click()
        page.get_by_role("alert").get_by_role("link", name="log in").click()
        page.get_by_role("heading", name="Log in").wait_for()
        for path in ("/debates", "/leaderboard", "/memory", "/status"):
            watched.go(path).get_by_role("alert").get_by_text("This needs an account").wait_for()
        assert [] == watched.flaws()
        assert [] == refused_only(watched)


def test_sessions_are_seen_and_ended(browser: "Browser", guarded: Served) -> None:
    """A wrong password is refused in words; a session elsewhere is ended from here, and has to log in again."""
    bea = a_person(guarded, "bea")
    with a_page(browser, guarded) as one, a_page(browser, guarded) as two:
        page, other = one.go("/account"), two.go("/account")
        page.get_by_label("E-mail").fill(bea.email)
        page.get_by_label("Password").fill("not this one")
        page.get_by_role("button", name="Log in", exact=True).click()
        page.get_by_role("alert").wait_for()
        one.shot("login-refused")
        assert [] == one.flaws()
        log_in(page, bea.email)
        log_in(other, bea.email)
        other.get_by_role("link", name="Account").click()
        other.get_by_text("Where you are logged in").wait_for()
        page.get_by_role("link", name="Account").click()
        page.locator(".badge", has_text="here").wait_for()
        ends = page.get_by_role("button", name="End it")
        while left := ends.count():
            ends.first.click()
            page.wait_for_function("(left) => document.querySelectorAll('#sessions ~ ul button').length < left", arg=left)
        other.reload()
        other.get_by_role("heading", name="Log in").wait_for()
        assert [] == refused_only(one) + refused_only(two)


def test_link_passed_on_opens_one_debate(browser: "Browser", guarded: Served) -> None:
    """Without a login, a link shows its debate, live and after, with JavaScript and without; without it there is nothing."""
    cem = a_person(guarded, "cem")
    debate_id = cem.hold(topic="Who may read this?", agents=["demo", "demo", "demo"])
    token = cem.ask(f"/api/debates/{debate_id}/share", b"").json["token"]
    with a_page(browser, guarded) as watched:
        page = watched.go(f"/d/{debate_id}?share={token}")
        page.locator(".critiques blockquote").first.wait_for()
        page.locator(".result").wait_for()
        page.get_by_role("button", name="Check it").click()
        page.get_by_text("Whole.").wait_for()
        watched.go(f"/d/{debate_id}").get_by_role("heading", name="No such debate").wait_for()
        assert [] == refused_only(watched)
    with a_page(browser, guarded, java_script_enabled=False) as watched:
        assert watched.go(f"/d/{debate_id}?share={token}").locator(".answer, .share").first.is_visible()
        assert [] == watched.wrongs


def test_share_button_makes_a_link_for_others(browser: "Browser", guarded: Served) -> None:
    """Where people log in, the button copies a link that others can follow."""
    dee = a_person(guarded, "dee")
    with (
        a_page(browser, guarded, permissions=["clipboard-read", "clipboard-write"]) as watched,
        a_page(browser, guarded) as guest,
    ):
        page = watched.go("/account")
        log_in(page, dee.email)
        watched.go(f"/d/{dee.held()}").locator(".result").wait_for()
        page.get_by_role("button", name="Share").click()
        page.get_by_text("Link copied").wait_for()
        link = page.evaluate("() => navigator.clipboard.readText()")
        guest.page.goto(link)
        guest.page.locator(".result").wait_for()
        assert [] == refused_only(watched) + refused_only(guest)
