"""The options of the data source: every one is read, and a wrong one gives a clear error."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("pyarrow") is None:
    pytest.skip("pyarrow is not installed", allow_module_level=True)

import cfdns_fast.spark
from cfdns_fast.files import FilesError, Layout, StoreOptions
from cfdns_fast.spark.options import Settings, settings_of


def test_options_have_defaults() -> None:
    assert settings_of({"path": "logs"}) == Settings(("logs",))


def test_options_ignore_case_and_are_typed() -> None:
    settings = settings_of(
        {
            "PATH": "logs",
            "Message": "FALSE",
            "columns": "dns.question, source.ip",
            "names": "nested",
            "group_bytes": "1000",
            "slack_s": "0",
            "endpoint_url": "http://127.0.0.1:1",
            "anonymous": "true",
        }
    )
    assert settings.layout() == Layout("nested", (), ("dns.question", "source.ip"))
    assert settings.message is False
    assert (settings.group_bytes, settings.slack_s) == (1000, 0)
    assert settings.store_options == StoreOptions(endpoint_url="http://127.0.0.1:1", anonymous=True)


def test_options_make_the_converter() -> None:
    options = {"path": "x", "dataset": "gateway_dns", "mapping": "ecs", "input_format": "csv", "input_columns": "RCode"}
    result = settings_of(options).normalizer().to_dicts(b"3\n")
    assert result.output[0]["dns"]["response_code"] == "NXDOMAIN"


def test_several_paths_are_read() -> None:
    assert settings_of({"paths": '["a", "b"]'}).paths == ("a", "b")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs a path"),
        ({"path": ""}, "needs a path"),
        ({"path": "x", "mesage": "false"}, "no option mesage"),
        ({"path": "x", "message": "no"}, "option message of cloudflare_dns must be true or false"),
        ({"path": "x", "group_bytes": "0"}, "option group_bytes of cloudflare_dns must be a whole number"),
        ({"path": "x", "slack_s": "-1"}, "option slack_s of cloudflare_dns must be a whole number of seconds"),
        ({"path": "x", "slack_s": "9" * 12}, "option slack_s of cloudflare_dns must be .* seconds, at most 3162240000"),
        ({"path": "x", "rows": "all"}, "option rows of cloudflare_dns must be one of events, rejects, objects"),
        ({"path": "x", "anonymous": "1"}, "option anonymous of cloudflare_dns must be true or false"),
    ],
)
def test_wrong_option_is_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(FilesError, match=message) as caught:
        settings_of(options)
    assert caught.value.code == "spark.option"


def test_codes_are_documented() -> None:
    page = Path(__file__).parents[2] / "docs" / "codes.md"
    if not page.exists():
        pytest.skip("no documentation around the tests")
    documented = re.findall(r"^\| `(spark\.\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    code = "".join(path.read_text(encoding="utf-8") for path in Path(cfdns_fast.spark.__file__).parent.glob("*.py"))
    assert sorted(documented) == sorted(set(re.findall(r"FilesError\(\s*\"(spark\.\w+)\"", code)))
