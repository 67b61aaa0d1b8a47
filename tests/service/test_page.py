"""The page for people in a real browser, on a real service and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Route, expect

from tests.service.browsing import DESK, PHONE, cards, open_page, visiting, weak
from tests.service.running import Running
from tests.serving.nights import Shop
from tests.shelf import give

pytestmark = pytest.mark.slow
PUBLISHED = "Of the first 3 items shown, 25% were bought in the held-out days."


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_shelf_is_read_at_a_glance(service: Running, size: dict[str, int], scheme: str) -> None:
    with visiting(service.url, size=size, scheme=scheme) as visit:
        page = visit.page
        page.goto("/")
        expect(page.locator("#live")).to_contain_text("Version 1 is live")
        expect(page.locator("#live")).to_contain_text(PUBLISHED)
        expect(page.locator("#users a")).to_have_text(["1", "2", "3"])
        visit.shoot(f"start_{size['width']}_{scheme}")
        page.locator("#users a").first.click()
        expect(cards(page)).to_have_count(7)
        page.get_by_role("button", name="Add to basket: BANANAS").click()
        expect(page.locator("#basket ol > li").first).to_be_visible()
        visit.shoot(f"shelf_{size['width']}_{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
        assert weak(visit) == []
        page.get_by_role("link", name="BANANAS").first.click()
        expect(page.locator("#also-bought li")).to_have_count(2)
        visit.shoot(f"item_{size['width']}_{scheme}", is_whole=False)
        assert weak(visit) == []
        box = page.locator("dialog").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size["width"]
        assert (visit.complaints, visit.elsewhere) == ([], [])


def test_a_typed_user_is_in_the_address_and_the_way_back_leads_back(service: Running) -> None:
    with visiting(service.url) as visit:
        page = open_page(visit)
        expect(page.locator("#shelf-title")).to_have_text("Popular in the shop")
        page.get_by_label("User id").fill(" 2 ")
        page.get_by_role("button", name="Show shelf").click()
        expect(page.locator("#shelf-title")).to_have_text("Shelf of user 2")
        expect(page).to_have_url(f"{service.url}/?user=2")
        expect(page.locator("#users a[aria-current]")).to_have_text("2")
        page.locator("#users a").last.click()
        expect(page.locator("#shelf-title")).to_have_text("Shelf of user 3")
        page.go_back()
        expect(page.locator("#shelf-title")).to_have_text("Shelf of user 2")
        expect(page.get_by_label("User id")).to_have_value("2")
        page.go_back()
        expect(page.locator("#shelf-title")).to_have_text("Popular in the shop")
        assert page.title() == "Nightshelf"


def test_reasons_name_the_purchases_and_lead_to_them(service: Running) -> None:
    with visiting(service.url) as visit:
        page = open_page(visit, "/?user=1")
        first = cards(page).first
        expect(first).to_contain_text("because you bought BANANAS before")
        expect(first).to_contain_text("fruit")
        expect(first).to_contain_text("Own list")
        expect(page.locator(".behind h3")).to_have_text("Purchases that the reasons name")
        expect(page.locator(".behind li")).to_have_text("BANANAS for 1 item")
        page.locator(".behind a").click()
        expect(page.locator("dialog h2")).to_have_text("BANANAS")
        expect(page.locator("#similar a")).to_have_text(["Äpfel & Birnen", "Item 13"])
        expect(page.locator("#also-bought li").first).to_contain_text(
            "100% of all buyers bought both, 2 times as many as by chance"
        )


def test_under_the_shelf_lies_the_list_as_it_was_before_it_got_variety(service: Running) -> None:
    with visiting(service.url, size=PHONE) as visit:
        page = open_page(visit, "/?user=1")
        order = page.locator("#model-order")
        expect(order.locator("summary")).to_have_text("The same list without variety")
        expect(order.locator("ol")).to_be_hidden()
        order.locator("summary").click()
        expect(order.locator("li a")).to_have_text(["Äpfel & Birnen", "BANANAS", "Item 13"])
        expect(order.locator("li .why")).to_have_text(
            ["stands at 2 now", "stands at 1 now", "stands there still"]
        )
        visit.shoot("model_order")
        assert weak(visit) == []
        page.get_by_label("User id").fill("3")
        page.get_by_role("button", name="Show shelf").click()
        expect(page.locator("#shelf-title")).to_have_text("Shelf of user 3")
        expect(order).to_be_hidden()


GROCERIES = {
    1055646: ("HEAD LETTUCE 24 CT", "VEGETABLES SALAD", "similar_to_purchase", 1082185),
    981760: ("EGGS - X-LARGE 1 DZ", "EGGS", "similar_to_purchase", 1082185),
    1068719: ("SUGAR (600) 4 LB", "SUGARS/SWEETNERS", "similar_to_purchase", 6534178),
    1127831: ("STRAWBERRIES 16 OZ", "BERRIES", "similar_to_view", 951590),
    883404: ("SHREDDED CHEESE 8 OZ", "CHEESE", "similar_to_purchase", 1029743),
    840361: ("EGGS - LARGE 1 DZ", "EGGS", "recently_popular", None),
    1029743: ("FLUID MILK WHITE ONLY 1 GA", "FLUID MILK PRODUCTS", "bought_again", 1029743),
    995242: ("FLUID MILK SKIM 1 GA", "FLUID MILK PRODUCTS", "similar_to_purchase", 1029743),
    961554: ("CARROTS MINI PEELED 1 LB", "CARROTS", "similar_to_purchase", 1082185),
    1106523: ("FLUID MILK WHITE 2%", "FLUID MILK PRODUCTS", "looked_at", 1106523),
    1082185: ("BANANAS 40 LB", "TROPICAL FRUIT", None, None),
    6534178: ("GASOLINE-REG UNLEADED", "COUPON/MISC ITEMS", None, None),
    951590: ("RASPBERRIES 6 OZ", "BERRIES", None, None),
}


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (DESK, "dark")], ids=["phone", "desk"])
def test_every_purchase_and_look_that_reasons_name_stands_once(
    serve: Callable[..., Running], new_shop: Callable[..., Shop], size: dict[str, int], scheme: str
) -> None:
    shop = new_shop()
    items = list(GROCERIES)[:10]
    names = {item: row[:2] for item, row in GROCERIES.items()}
    night = shop.night(1, {1: items}, popular={"all": [1082185, 6534178, 1029743]}, similar={}, names=names)
    lists = pq.read_table(night.path / "recommendations.parquet")
    reasons, because = zip(*[GROCERIES[item][2:] for item in items], strict=True)
    told = {"reason": pa.array(reasons, pa.string()), "because_item_id": pa.array(because, pa.int64())}
    for name, column in told.items():
        lists = lists.set_column(lists.schema.get_field_index(name), name, column)
    give(night, recommendations=lists)
    shop.publish(night)
    with visiting(serve(shop).url, size=size, scheme=scheme) as visit:
        page = open_page(visit, "/?user=1&basket=1082185")
        expect(page.locator(".behind h3")).to_have_text(
            ["Purchases that the reasons name", "What they looked at"]
        )
        expect(page.locator(".behind ul").first.locator("li")).to_have_text(
            [
                "BANANAS 40 LB for 3 items",
                "GASOLINE-REG UNLEADED for 1 item",
                "FLUID MILK WHITE ONLY 1 GA for 3 items",
            ]
        )
        expect(page.locator(".behind ul").last.locator("li")).to_have_text(
            ["RASPBERRIES 6 OZ for 1 item", "FLUID MILK WHITE 2% for 1 item"]
        )
        expect(cards(page).first).to_contain_text("because you bought BANANAS 40 LB")
        expect(cards(page).last).to_contain_text("because you looked at FLUID MILK WHITE 2% before")
        visit.shoot(f"groceries_{size['width']}_{scheme}")
        assert weak(visit) == []


def test_a_link_shows_user_item_and_basket_by_name(service: Running) -> None:
    with visiting(service.url) as visit:
        page = open_page(visit, "/?user=3&item=12&basket=21&basket=11&basket=21")
        expect(page.locator("dialog h2")).to_have_text("Äpfel & Birnen")
        expect(page.locator("dialog .details").first).to_have_text("fruit · Item 12")
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_be_hidden()
        expect(page).to_have_url(f"{service.url}/?user=3&basket=21&basket=11")
        expect(page.locator("#shelf-title")).to_have_text("Shelf of user 3")
        expect(page.locator("#basket ul a")).to_have_text(["Green tea", "BANANAS"])
        listed = service.ask("/session/recommendations", "POST", {"item_ids": [21, 11]}).json["items"]
        told = [item["name"] or f"Item {item['item_id']}" for item in listed]
        expect(page.locator("#basket ol a")).to_have_text(told)


def test_a_basket_is_filled_and_emptied(service: Running) -> None:
    with visiting(service.url, size=PHONE) as visit:
        page = open_page(visit, "/?user=1")
        expect(page.locator("#to-basket")).to_be_hidden()
        page.get_by_role("button", name="Add to basket: BANANAS").click()
        expect(page.locator("#basket ol > li").first).to_contain_text("often bought together with BANANAS")
        page.locator("#to-basket").click()
        expect(page.locator("#basket-title")).to_be_in_viewport()
        page.locator("#basket ol button").first.click()
        expect(page.locator("#basket ul a")).to_have_text(["BANANAS", "Äpfel & Birnen"])
        expect(page.locator("#to-basket")).to_have_text("Basket: 2 items")
        expect(page.locator("#basket ol a", has_text="Äpfel & Birnen")).to_have_count(0)
        with page.context.expect_page() as opened:
            cards(page).locator("a", has_text="Item 14").click(modifiers=["Control"])
        expect(opened.value).to_have_url(f"{service.url}/?user=1&item=14&basket=11&basket=12")
        for _ in range(2):
            page.locator("#basket ul button").first.click()
        expect(page.locator("#basket .note")).to_contain_text("Empty")
        expect(page.locator("#basket ol > li")).to_have_count(0)
        expect(page).to_have_url(f"{service.url}/?user=1")
        assert visit.complaints == []


def test_the_keyboard_is_enough(service: Running) -> None:
    with visiting(service.url) as visit:
        page = open_page(visit)
        expect(page.locator("#users a")).to_have_count(3)

        def tab_to(name: str) -> None:
            for _ in range(40):
                page.keyboard.press("Tab")
                focused = page.locator(":focus")
                outline = focused.evaluate("n => [getComputedStyle(n).outlineStyle, n.checkVisibility()]")
                assert outline[0] == "solid", focused.evaluate("n => n.outerHTML")
                assert outline[1]
                if name in (focused.inner_text(), focused.get_attribute("aria-label")):
                    return
            raise AssertionError(f"the focus never came to {name}")

        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.get_by_label("User id")).to_be_focused()
        page.keyboard.type("1")
        page.keyboard.press("Enter")
        expect(page.locator("#shelf .note")).to_have_text("7 items, the best first.")
        expect(page.get_by_label("User id")).to_be_focused()
        tab_to("Show shelf")
        tab_to("2")
        tab_to("BANANAS")
        page.keyboard.press("Enter")
        expect(page.locator("dialog h2")).to_be_focused()
        tab_to("Close")
        tab_to("Add to basket: BANANAS")
        page.keyboard.press("Space")
        expect(page.locator(":focus")).to_have_text("Take out")
        tab_to("Äpfel & Birnen")
        page.keyboard.press("Enter")
        expect(page.locator("dialog h2")).to_have_text("Äpfel & Birnen")
        expect(page.locator("dialog h2")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_be_hidden()
        expect(page.locator(":focus")).to_have_text("BANANAS")
        tab_to("Take out: BANANAS")
        expect(page.locator("#basket ul li")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.locator("#basket ul li")).to_have_count(0)
        expect(page.locator(":focus")).to_have_text("Add to basket")


def test_a_slow_answer_is_waited_for_and_never_overwrites_a_later_one(service: Running) -> None:
    held: list[Route] = []
    with visiting(service.url) as visit:
        visit.page.route("**/users/1/recommendations*", lambda route: held.append(route))
        page = open_page(visit, "/?user=1")
        expect(page.locator("#shelf .note")).to_have_text("Loading…")
        expect(page.locator("#shelf")).to_have_attribute("aria-busy", "true")
        page.locator("#users a").last.click()
        expect(page.locator("#shelf .note")).to_contain_text("the best first")
        assert len(held) == 1
        page.unroute("**/users/1/recommendations*")
        page.wait_for_timeout(300)
        expect(page.locator("#shelf-title")).to_have_text("Shelf of user 3")
        expect(cards(page).locator("h3").first).to_have_text("Item 14")
        expect(page.locator("#shelf")).not_to_have_attribute("aria-busy", "true")
        page.locator("#users a").first.click()
        expect(cards(page).locator("h3").first).to_have_text("BANANAS")


def test_a_basket_takes_a_hundred_items(service: Running) -> None:
    with visiting(service.url) as visit:
        page = open_page(visit, "/?user=1&" + "&".join(f"basket={item}" for item in range(100, 230)))
        expect(page.locator("#basket ul li")).to_have_count(100)
        expect(page.locator("#basket .note")).to_contain_text("That is as many as a basket takes.")
        expect(page.get_by_role("button", name="Add to basket: BANANAS").first).to_be_disabled()
        page.locator("#basket ul button").first.click()
        expect(page.locator("#basket .note")).to_have_text("99 items.")
        expect(page.get_by_role("button", name="Add to basket: BANANAS").first).to_be_enabled()


def test_whoever_only_looked_around_gets_what_is_popular_in_the_segment(service: Running) -> None:
    with visiting(service.url) as visit:
        page = open_page(visit, "/?user=7")
        expect(page.locator("#shelf .note")).to_have_text(
            "User 7 has bought nothing yet. This is popular with people like them."
        )
        first = cards(page).first
        expect(first.locator(".source")).to_have_text("Popular with people like you")
        expect(first.locator(".why")).to_be_empty()


def test_whoever_is_not_known_gets_what_is_popular_and_is_told(service: Running) -> None:
    with visiting(service.url) as visit:
        page = open_page(visit, "/?user=999")
        expect(page.locator("#shelf .note")).to_have_text(
            "User 999 is not known, or has no list. This is popular in the shop."
        )
        expect(cards(page).locator("h3").first).to_have_text("BANANAS")
        expect(page.locator(".behind")).to_be_empty()
