"""Settings: environment over file over defaults; mistakes are told."""

import re
from pathlib import Path

import pytest

from streams import settings
from streams.core.errors import Misuse
from streams.settings import Settings

DOCS = Path(__file__).parents[1] / "docs" / "settings.md"


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    file = tmp_path / "streams.toml"
    file.write_text('partitions = 3\nGROUP = "a"\nkafka = "file:1"\n')
    environ = {"STREAMS_CONFIG": str(file), "STREAMS_GROUP": "b", "STREAMS_KAFKA": "env:1"}
    found, warnings = settings.load(environ, kafka="given:1", data=None)
    assert (found.partitions, found.group, found.kafka) == (3, "b", "given:1")
    assert (found.data, found.admit_group, warnings) == (".streams", "b-admit", ())


def test_an_unknown_name_is_a_warning_and_one_of_a_later_part_is_not() -> None:
    environ = {"STREAMS_TICKSECONDS": "1", "STREAMS_TOKENS_FILE": "b", "OTHER": "x"}
    assert settings.load(environ)[1] == ("unknown setting STREAMS_TICKSECONDS",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARTITIONS", "many"),
        ("PARTITIONS", "0"),
        ("DEDUPE_HOURS", "-1"),
        ("GRACE_HOURS", "1.5"),
        ("GRACE_HOURS", "-1"),
        ("TICK_SECONDS", "0"),
        ("DEFAULT_BUDGET_USD", "a lot"),
        ("DEFAULT_BUDGET_USD", "NaN"),
        ("DEFAULT_BUDGET_USD", "-1"),
        ("MEMORY_LIMIT", "much"),
        ("MEMORY_LIMIT", "-1"),
        ("MEMORY_LIMIT", "1.5GB"),
        ("NAMESPACE_TENANTS", "[1]"),
        ("NAMESPACE_TENANTS", "{"),
        ("SNAPSHOT_SECONDS", "0"),
        ("SNAPSHOT_KEEP", "0"),
        ("SNAPSHOT_KEEP_HOURS", "-1"),
        ("S3_ADDRESSING", "host"),
        ("S3_SSE", "yes"),
        ("CONFIG", "/does/not/exist.toml"),
    ],
)
def test_a_wrong_value_is_the_users_mistake(name: str, value: str) -> None:
    with pytest.raises(Misuse, match=r"setting is wrong|STREAMS_"):
        settings.load({f"STREAMS_{name}": value})


def test_a_namespace_map_is_json_in_the_environment_and_a_table_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "streams.toml"
    file.write_text('[namespace_tenants]\nns = "t1"\n')
    from_file, _ = settings.load({"STREAMS_CONFIG": str(file)})
    from_environment, _ = settings.load({"STREAMS_NAMESPACE_TENANTS": '{"ns": "t1"}'})
    assert from_file.namespace_tenants == from_environment.namespace_tenants == {"ns": "t1"}


@pytest.mark.parametrize(
    ("value", "size"),
    [("0", 0), ("12", 12), ("1KB", 1024), ("64 mb", 64 << 20), ("2GB", 2 << 30), ("7B", 7)],
)
def test_a_size_is_bytes_or_has_a_unit(value: str, size: int, tmp_path: Path) -> None:
    assert settings.load({"STREAMS_MEMORY_LIMIT": value})[0].memory_bytes == size
    file = tmp_path / "streams.toml"
    file.write_text("memory_limit = 4096\n")
    assert settings.load({"STREAMS_CONFIG": str(file)})[0].memory_bytes == 4096


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| ([A-Z0-9_]+) \| (.+?) \|", DOCS.read_text(), re.MULTILINE))
    assert set(rows) == {name.upper() for name in Settings.__struct_fields__}
    for name, shown in rows.items():
        default = getattr(Settings(), name.lower())
        text = f"{default:g}" if isinstance(default, float) else str(default)
        assert shown == (text or "(none)")


@pytest.mark.parametrize(
    ("environ", "bucket"),
    [
        ({"BACKUP_BUCKET": "old"}, "old"),
        ({"STREAMS_BACKUP_BUCKET": "old"}, "old"),
        ({"BACKUP_BUCKET": "old", "STREAMS_S3_BUCKET": "new"}, "new"),
        ({}, ""),
    ],
)
def test_the_bucket_may_be_named_as_the_backups_was(environ: dict[str, str], bucket: str) -> None:
    found, warnings = settings.load(environ)
    assert (found.s3_bucket, warnings) == (bucket, ())
