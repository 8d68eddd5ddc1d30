"""Manifests: their bytes, their check, and who may begin from them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.snapshots.manifest import BadManifest, File, Manifest, Wanted, decode, encode
from streams.snapshots.names import Position

from .manifests import PLACE, file, manifest

WHOLE = manifest(files=(file("ab" * 32), File("CURRENT", "cd" * 32, 16, "MANIFEST-000005\n")))


def test_what_is_written_can_be_read_as_json_and_back() -> None:
    data = encode(WHOLE)
    assert decode(data) == WHOLE
    inner = msgspec.json.decode(data)["manifest"]
    assert inner["changelog_offset"] == 100
    assert inner["files"][0] == {
        "name": "000009.sst",
        "sha256": "ab" * 32,
        "size": 1,
        "text": "",
    }
    assert (WHOLE.size, WHOLE.objects) == (17, WHOLE.files[:1])


@given(st.data())
def test_no_flipped_byte_and_no_cut_goes_unnoticed(data: st.DataObject) -> None:
    written = encode(WHOLE)
    at = data.draw(st.integers(0, len(written) - 1))
    damaged = bytearray(written)
    damaged[at] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(damaged), written[:at]):
        try:
            read = decode(bad)
        except BadManifest:
            continue
        # Only where it says the same, as with a space for a line's end or another case.
        assert read == WHOLE


def test_a_later_version_may_add_fields_and_a_later_format_is_told() -> None:
    class Later(Manifest, frozen=True, kw_only=True):
        more: int = 5

    later = msgspec.convert(msgspec.to_builtins(WHOLE), Later)
    assert decode(encode(later)) == WHOLE
    with pytest.raises(BadManifest, match="newer"):
        decode(encode(WHOLE).replace(b'"format":1', b'"format":2'))


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({}, None),
        ({"incarnation": 0, "end": 100, "not_before": 5_000, "fold_version": 3}, None),
        ({"incarnation": 1}, "another changelog"),
        ({"end": 99}, "another changelog"),
        ({"not_before": 5_001}, "tombstones"),
        ({"fold_version": 2}, "newer than this code"),
        ({"schemas": ("2.0.0", "2.1.0")}, None),
        ({"schemas": ("1.0.0", "2.0.0")}, "of schema 2.1.0, newer than this code"),
    ],
)
def test_what_a_partition_may_begin_from(wanted: dict[str, int], why: str | None) -> None:
    refusal = Wanted(place=PLACE, **wanted).refusal(WHOLE, WHOLE.position)  # type: ignore[arg-type]
    assert refusal is None if why is None else refusal is not None and why in refusal


def test_a_manifest_under_anothers_name_is_refused() -> None:
    refusal = Wanted(place=PLACE).refusal(WHOLE, Position(0, 101))
    assert refusal == "it does not say what its name says"
