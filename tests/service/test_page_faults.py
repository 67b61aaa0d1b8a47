"""The page where something is odd or wrong: ids, names, an outage, a rollback, tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect
from psycopg import sql
from sqlalchemy import make_url

from pipeline.databases.embedded import Server
from pipeline.serving import migrate
from tests.service.browsing import PHONE, cards, open_page, visiting, weak
from tests.service.running import Running
from tests.serving.nights import Shop

pytestmark = pytest.mark.slow
NASTY = '<img src=x onerror="document.title=1"><script>document.title=2</script> & “q”'
LONG = "A kettle of brushed steel with a handle of oiled walnut and " + "a" * 90
BIG = 2**63 - 1
ODD = ["a/b", "50%", "%2F", "ä ö ü", "?&=#+", "☕ crème", "<b>"]


def test_what_is_no_id_is_told_in_one_sentence(service: Running) -> None:
    with visiting(service.url, size=PHONE) as visit:
        page = open_page(visit, "/?user=1")
        expect(cards(page).first).to_be_visible()
        page.get_by_label("User id").fill("jane")
        page.keyboard.press("Enter")
        expect(page.locator("#shelf .fault")).to_have_text(
            "The user id must be a whole number of at most 63 bits."
        )
        expect(page.locator("#shelf .fault button")).to_have_count(0)
        expect(cards(page)).to_have_count(0)
        visit.shoot("wrong_id_390_light")
        assert weak(visit) == []


@pytest.fixture
def odd_shop(new_shop: Callable[..., Shop]) -> Shop:
    """Text ids of every kind, and names that would be run as HTML if they could."""
    shop = new_shop(ids={"user": "text", "item": "text"})
    named: dict[Any, Any] = {"<b>": (NASTY, NASTY), "a/b": (LONG, LONG)}
    similar = {item: [other for other in named if other != item] for item in ODD}
    lists = {"popular": {"all": ODD}, "similar": similar, "names": named}
    shop.publish(shop.night(1, dict.fromkeys([*ODD, "..", NASTY], ODD), **lists))
    return shop


def test_odd_ids_and_names_are_shown_as_text(serve: Callable[..., Running], odd_shop: Shop) -> None:
    with visiting(serve(odd_shop).url, size=PHONE) as visit:
        page = open_page(visit)
        for user in [*ODD, NASTY]:
            page.get_by_label("User id").fill(user)
            page.keyboard.press("Enter")
            expect(page.locator("#shelf-title")).to_have_text(f"Shelf of user {user}")
            expect(page.locator("#shelf .note")).to_have_text("7 items, the best first.")
            assert page.evaluate("new URL(location.href).searchParams.get('user')") == user
        page.reload()
        expect(page.locator("#shelf-title")).to_have_text(f"Shelf of user {NASTY}")
        named = {"<b>": NASTY, "a/b": LONG}
        for item in ODD:
            called = named.get(item, f"Item {item}")
            page.locator("#shelf .card a", has_text=called).first.click()
            expect(page.locator("dialog h2")).to_have_text(called)
            expect(page.locator("#similar a")).to_have_text([n for i, n in named.items() if i != item])
            page.locator("dialog .actions button").click()
            page.keyboard.press("Escape")
        expect(page.locator("#basket ul li")).to_have_count(len(ODD))
        expect(page.locator("#basket .note")).to_have_text("7 items. Nothing is known that goes with it.")
        assert page.evaluate("new URL(location.href).searchParams.getAll('basket')") == ODD
        visit.shoot("odd_390_light")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        assert page.locator("img, script:not([src])").count() == 0
        assert page.title().startswith("User ")
        assert (visit.complaints, visit.elsewhere) == ([], [])


def test_an_id_of_dots_is_told_not_asked_for(serve: Callable[..., Running], odd_shop: Shop) -> None:
    with visiting(serve(odd_shop).url) as visit:
        page = open_page(visit, "/?user=..")
        expect(page.locator("#shelf .fault")).to_have_text(
            "A browser cannot ask for an id that is only dots."
        )


def test_large_whole_numbers_keep_their_digits(
    serve: Callable[..., Running], new_shop: Callable[..., Shop]
) -> None:
    shop = new_shop()
    items = [BIG, BIG - 1, -BIG]
    lists = {"popular": {"all": items}, "also_bought": {BIG - 1: [-BIG]}}
    shop.publish(shop.night(1, {BIG - 2: items}, **lists))
    with visiting(serve(shop).url) as visit:
        page = open_page(visit)
        page.locator("#users a").click()
        expect(page.locator("#shelf-title")).to_have_text(f"Shelf of user {BIG - 2}")
        expect(cards(page).locator("h3")).to_have_text([f"Item {item}" for item in items])
        expect(page.locator("#shelf .note")).to_have_text("3 items, the best first.")
        page.get_by_role("button", name=f"Add to basket: Item {BIG - 1}").click()
        expect(page.locator("#basket ol a")).to_have_text([f"Item {-BIG}", f"Item {BIG}"])
        page.locator("#basket ul a").click()
        expect(page.locator("#also-bought a")).to_have_text([f"Item {-BIG}"])


def test_a_rollback_is_followed_by_all_of_the_page(serve: Callable[..., Running], shop: Shop) -> None:
    names_now = {99: ("Night tea", "tea")}
    shop.publish(shop.night(2, {1: [99]}, popular={"all": [99]}, similar={}, names=names_now))
    with visiting(serve(shop).url) as visit:
        page = open_page(visit, "/?user=1&basket=11")
        expect(page.locator("#live strong")).to_have_text("Version 2")
        expect(page.locator("#basket ol a")).to_have_text(["Night tea"])
        with shop.connect("operator") as db:
            db.execute("SELECT * FROM serving.rollback()")
        page.locator("#basket ul a").click()
        expect(page.locator("#live strong")).to_have_text("Version 1")
        expect(page.locator("#similar a")).to_have_text(["Äpfel & Birnen", "Item 13"])
        expect(cards(page)).to_have_count(7)
        expect(page.locator("#basket ol a").first).to_have_text("Äpfel & Birnen")


@pytest.fixture
def outage(server: Server, shop: Shop) -> Iterator[Callable[[bool], None]]:
    """`outage(True)`: nobody can reach the shop's serving database, and who had is thrown out."""
    name = make_url(shop.url).database

    def change(is_away: bool) -> None:
        with psycopg.connect(server.admin_url(), autocommit=True) as db:
            allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            db.execute(allow.format(sql.Identifier(name or ""), sql.SQL(str(not is_away))))
            if is_away:
                db.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
                )

    yield change
    change(False)


def test_an_outage_is_told_and_a_click_asks_again(service: Running, outage: Callable[[bool], None]) -> None:
    with visiting(service.url, size=PHONE, scheme="dark") as visit:
        page = open_page(visit, "/?user=1")
        expect(cards(page)).to_have_count(7)
        outage(True)
        page.get_by_label("User id").fill("2")
        page.keyboard.press("Enter")
        fault = page.locator("#shelf .fault")
        expect(fault).to_contain_text("The database cannot be reached", timeout=20_000)
        expect(cards(page)).to_have_count(0)
        visit.shoot("outage_390_dark")
        assert weak(visit) == []
        fault.get_by_role("button").click()
        expect(page.locator("#live p")).to_contain_text("The database cannot be reached", timeout=20_000)
        outage(False)
        page.wait_for_timeout(3000)
        fault.get_by_role("button").click()
        expect(page.locator("#shelf .note")).to_contain_text("the best first", timeout=20_000)
        expect(fault).to_be_empty()
        expect(page.locator("#live")).to_contain_text("Version 1 is live")


def test_a_service_that_is_gone_is_told(service: Running) -> None:
    with visiting(service.url) as visit:
        page = open_page(visit)
        expect(cards(page).first).to_be_visible()
        service.process.terminate()
        service.process.wait()
        page.locator("#users a").first.click()
        expect(page.locator("#shelf .fault")).to_contain_text("The service does not answer.")
        expect(page.locator("#shelf .fault button")).to_have_text("Try again")


def test_where_nothing_is_published_that_is_said(
    serve: Callable[..., Running], new_shop: Callable[..., Shop]
) -> None:
    shop = new_shop()
    migrate(shop.url, shop.settings, say=shop.said.append)
    with visiting(serve(shop).url) as visit:
        page = visit.page
        page.goto("/?user=1")
        for place in ("#live", "#shelf .fault"):
            expect(page.locator(place)).to_contain_text("Nothing is published yet: the first night does it")
            expect(page.locator(place).get_by_role("button")).to_have_text("Try again")
        shop.publish(shop.night(1, {1: [11]}))
        page.locator("#live button").click()
        expect(page.locator("#live")).to_contain_text("Version 1 is live")
        expect(page.locator("#users a")).to_have_text(["1"])


def test_with_tokens_a_form_comes_first(serve: Callable[..., Running], shop: Shop) -> None:
    service = serve(shop, NIGHTSHELF_SERVICE_TOKENS="first-token-of-this-shop\nsecond-token-of-this-shop")
    with visiting(service.url) as visit:
        page = visit.page
        page.goto("/")
        page.get_by_label("Token").fill("second-token-of-this-shop")
        page.keyboard.press("Enter")
        expect(page.locator("#live")).to_contain_text("Version 1 is live")
        page.locator("#users a").first.click()
        expect(cards(page)).to_have_count(7)
        page.context.clear_cookies()
        page.locator("#users a").last.click()
        expect(page.get_by_label("Token")).to_be_visible()
