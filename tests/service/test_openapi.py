"""The OpenAPI document is true to the routes and to their answers."""

from __future__ import annotations

import re

from tests.service.running import Running


def test_the_openapi_document_and_its_page_have_every_route(service: Running) -> None:
    document = service.get("/openapi.json")
    assert {
        "/users",
        "/users/{user_id}/recommendations",
        "/users/{user_id}/recommendations/{item_id}/explanation",
        "/users/{user_id}/model-order",
        "/items/{item_id}/similar",
        "/items/{item_id}/also-bought",
        "/popular",
        "/session/recommendations",
        "/publication",
        "/topN={n}for_user={user_id}",
        "/health",
        "/ready",
        "/metrics",
    } == set(document["paths"])
    for path, methods in document["paths"].items():
        for about in methods.values():
            named = {each["name"] for each in about.get("parameters", ()) if each["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), path
    explained = document["paths"]["/users/{user_id}/recommendations/{item_id}/explanation"]["get"]
    assert "404" in explained["responses"]
    assert "security" not in document
    page = service.ask("/docs")
    text = page.body.decode()
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert all(path in text for path in document["paths"])
    assert "because_item_id" in text
    assert "src=" not in text
    assert "http" not in text.replace("HTTP", "")


def test_answers_name_every_key_of_the_document(service: Running) -> None:
    document = service.get("/openapi.json")
    schemas = document["components"]["schemas"]
    for path, about in document["paths"].items():
        content = about.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        name = content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name:
            asked = path.replace("{user_id}", "1").replace("{item_id}", "11").replace("{n}", "3")
            assert set(service.get(asked)) == set(schemas[name]["properties"]), path
