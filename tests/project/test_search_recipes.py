"""The recipes for search servers: types of the template, documents without duplicates, URLs of sinks."""

from __future__ import annotations

import gzip
import json
import re
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from support.documentation import ROOT, blocks
from support.fake_elasticsearch import FakeElasticsearch
from support.logstash_config import parse
from support.servers import osmem

from cfdns_fast import Normalizer
from cfdns_fast.mapping import bundled, load

RECIPES = ROOT / "docs" / "recipes"
DATASETS = [(schema, dataset) for dataset, schemas in bundled().items() for schema in schemas]

pytestmark = pytest.mark.skipif(not RECIPES.exists(), reason="no documentation around the tests")


@pytest.fixture
def recipe(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what the Python of the page defines."""
    names: dict[str, Any] = {"__name__": "recipe"}
    for block in blocks(RECIPES / "elasticsearch.md"):
        if block.language == "python":
            exec(compile(block.text, block.page, "exec"), names)
    return names


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    line = '{"QueryName":"n%d.example.com","QueryType":1,"SourceIP":"192.0.2.%d","Timestamp":1657233726}\n'
    path = tmp_path / "20260101T000000Z.log.gz"
    path.write_bytes(gzip.compress("".join(line % (number, number % 250) for number in range(600)).encode()))
    return path


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def typed(properties: dict[str, Any], path: str) -> str:
    *parents, name = path.split(".")
    for parent in parents:
        properties = properties[parent]["properties"]
    return str(properties[name]["type"])


@pytest.mark.parametrize(("schema", "dataset"), DATASETS)
def test_template_has_every_target(recipe: dict[str, Any], schema: str, dataset: str) -> None:
    template = recipe["index_template"]("x-*", schema, dataset)
    properties = template["template"]["mappings"]["properties"]
    for field in load(schema, dataset).fields:
        assert typed(properties, field.to)
    expected = {"source.ip": "ip", "related.ip": "ip", "event.category": "keyword"}
    if schema == "ocsf":
        expected = {"src_endpoint.ip": "ip", "class_uid": "double", "rcode_id": "long", "time": "date"}
    assert {target: typed(properties, target) for target in expected} == expected


@pytest.mark.slow
def test_search_server_takes_the_template_and_files(recipe: dict[str, Any], batch: Path) -> None:
    with osmem() as server:
        recipe["create_template"](server.url, recipe["index_template"]("dns-*", data_stream=False))
        normalizer = Normalizer("ecs")
        assert recipe["load_file"](batch, server.url, "dns-1", normalizer) == 600
        assert recipe["load_file"](batch, server.url, "dns-1", normalizer) == 0, "the second delivery adds nothing"
        urllib.request.urlopen(urllib.request.Request(f"{server.url}/dns-1/_refresh", method="POST")).close()
        properties = get(f"{server.url}/dns-1/_mapping")["dns-1"]["mappings"]["properties"]
        assert typed(properties, "source.ip") == "ip"
        assert typed(properties, "dns.question.name") == "keyword"
        # A range of addresses, which only the type ip has.
        assert get(f"{server.url}/dns-1/_count?q=source.ip:%22192.0.2.0/25%22")["count"] > 250
        assert get(f"{server.url}/dns-1/_count")["count"] == 600


def test_data_stream_takes_each_event_once(recipe: dict[str, Any], batch: Path) -> None:
    index = "logs-cloudflare.dns-default"
    with FakeElasticsearch() as server:
        for expected in (600, 0):
            assert recipe["load_file"](batch, f"http://{server.address}", index, Normalizer("ecs")) == expected
        events = gzip.decompress(batch.read_bytes())
        assert list(server.documents[index].values()) == Normalizer("ecs").to_dicts(events).output


def test_refused_event_ends_the_run(recipe: dict[str, Any], batch: Path) -> None:
    with FakeElasticsearch() as server:
        server.refuse = lambda document: document["source"]["ip"] == "192.0.2.7"
        with pytest.raises(RuntimeError, match="3 of 600 events are not stored, the first with 400"):
            recipe["load_file"](batch, f"http://{server.address}", "logs-a-b", Normalizer("ecs"))


def test_key_is_sent(recipe: dict[str, Any], batch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeElasticsearch() as server:
        server.keys = {"a-key"}
        with pytest.raises(urllib.error.HTTPError, match="401"):
            recipe["load_file"](batch, f"http://{server.address}", "logs-a-b", Normalizer("ecs"))
        monkeypatch.setenv("SEARCH_AUTHORIZATION", "ApiKey a-key")
        assert recipe["load_file"](batch, f"http://{server.address}", "logs-a-b", Normalizer("ecs")) == 600


@pytest.mark.parametrize(
    ("page", "library"),
    [("elasticsearch.md", "elasticsearch"), ("opensearch.md", "opensearchpy"), ("logstash.md", "urllib3")],
)
def test_sink_of_a_recipe_is_accepted(page: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(library, reason=f"the library {library} of the sink is not installed")
    sinks = pytest.importorskip("cfdns_fast.sinks", reason="the extra receiver is not installed")
    found = [block.text for block in blocks(RECIPES / page) if block.language == "toml"]
    assert found
    for text in found:
        for name in re.findall(r"env:(\w+)", text):
            monkeypatch.setenv(name, "Authorization: Basic YTpi" if name.endswith("HEADERS") else "secret")
        for sink in tomllib.loads(text)["sink"]:
            sinks.check_sink(sink["url"])


# Logstash


@pytest.mark.parametrize(
    "text", ["input {", "inputs { }", "input { file { path = 1 } }", "input { file { a => [1 2] } }", "input { a }"]
)
def test_wrong_pipeline_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_pipelines_have_the_three_sections() -> None:
    found = [parse(block.text) for block in blocks(RECIPES / "logstash.md") if block.language == "ruby"]
    assert [list(pipeline) for pipeline in found] == [["input", "filter", "output"]] * 3
    assert [list(pipeline["input"][0]) for pipeline in found] == [["file"], ["http"], ["pipe"]]
