"""What may lie in a bundle: no kind that runs code, no path out of it, no hostile zip, no hidden data."""

from __future__ import annotations

import pickle
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from flawscope.bundle import (
    Bundle,
    StageSpec,
    zip_bundle,
)
from flawscope.errors import BundleError
from flawscope.manifest import FileRole, NetworkSpec
from small_bundles import external, make


@pytest.mark.parametrize(
    "name", ["weights.pt", "a.pth", "a.ckpt", "a.pkl", "a.joblib", "a.npy", "code.py", "a.so"]
)
def test_kinds_that_can_run_code_are_refused_by_name(tmp_path: Path, name: str) -> None:
    make(tmp_path / "b")
    (tmp_path / "b" / name).write_bytes(b"harmless")
    with pytest.raises(BundleError, match=r"pickle or a torch file|does not belong"):
        Bundle.load(tmp_path / "b")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["weights.safetensors", "card.md", "README", "model2.onnx"])
def test_pickles_are_refused_whatever_they_are_called(tmp_path: Path, name: str, protocol: int) -> None:
    content = pickle.dumps({"weights": [1.0] * 9, "call": Path("x")}, protocol=min(protocol, 5))
    with pytest.raises(BundleError, match="pickle"):
        make(tmp_path / "b", {"model.onnx": b"", name: content})


def test_a_large_pickle_is_known_by_its_beginning(tmp_path: Path) -> None:
    content = pickle.dumps({"a": {"b": bytes(200_000)}, "c": 1}, protocol=4)
    with pytest.raises(BundleError, match="pickle"):
        make(tmp_path / "b", {"model.onnx": b"", "weights.safetensors": content})


@pytest.mark.parametrize("protocol", range(6))
def test_a_large_pickle_without_a_header_is_known_too(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps([[str(number) for number in range(20_000)], Path("x")], protocol=protocol)
    assert len(content) > 2**16
    with pytest.raises(BundleError, match="pickle"):
        make(tmp_path / "b", {"model.onnx": b"", "weights.bin": content})


@pytest.mark.parametrize("text", ["crack network\nIt finds cracks.\n", "(a, b)\n", "0.1,0.2\n", "crack_01\n"])
def test_long_texts_are_no_pickles(tmp_path: Path, text: str) -> None:
    make(tmp_path / "b", {"model.onnx": b"", "card.md": text.encode() * 20_000})


def test_a_torch_zip_is_refused_under_another_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as target:
        target.writestr("archive/data.pkl", b"x")
    with pytest.raises(BundleError, match="torch file"):
        make(tmp_path / "b", {"model.onnx": b"", "weights.safetensors": tmp_path / "t.zip"})


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_safetensors_whose_length_looks_like_a_pickle_header_are_fine(tmp_path: Path, length: int) -> None:
    content = length.to_bytes(8, "little") + b'{"a":' + b" " * length
    make(tmp_path / "b", {"model.onnx": b"", "weights.safetensors": content})


def hostile(tmp_path: Path, add: Callable[[zipfile.ZipFile], None]) -> Path:
    make(tmp_path / "b")
    archive = tmp_path / "bad.flawscope"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in (tmp_path / "b").iterdir():
            target.write(path, path.name)
        add(target)
    return archive


@pytest.mark.parametrize("name", ["../evil.md", "/tmp/evil.md", "x/../../evil.md", "..\\evil.md"])
def test_zip_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    archive = hostile(tmp_path, lambda target: target.writestr(name, "x"))
    with pytest.raises(BundleError, match="outside of its folder"):
        Bundle.load(archive)
    assert not list(tmp_path.rglob("evil.md"))


def test_zip_links_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link.md")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(BundleError, match="link or special"):
        Bundle.load(hostile(tmp_path, lambda target: target.writestr(info, "/etc/passwd")))


def test_zip_bombs_are_refused(tmp_path: Path) -> None:
    archive = hostile(tmp_path, lambda target: target.writestr("zeros.bin", bytes(80 * 1024 * 1024)))
    assert archive.stat().st_size < 200_000
    with pytest.raises(BundleError, match="zip bomb"):
        Bundle.load(archive)


def test_zips_with_too_many_or_doubled_members_are_refused(tmp_path: Path) -> None:
    def many(target: zipfile.ZipFile) -> None:
        for number in range(300):
            target.writestr(f"{number}.md", "x")

    with pytest.raises(BundleError, match="members; expected at most"):
        Bundle.load(hostile(tmp_path / "1", many))
    with pytest.raises(BundleError, match="twice"):
        Bundle.load(hostile(tmp_path / "2", lambda target: target.writestr("MODEL.onnx", "x")))


def test_damaged_zips_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "b", {"model.onnx": b"", "card.md": b"0123456789" * 100})
    archive = zip_bundle(tmp_path / "b", tmp_path / "b.flawscope")
    data = bytearray(archive.read_bytes())
    data[60:90] = bytes(30)
    archive.write_bytes(data)
    with pytest.raises(BundleError):
        Bundle.load(archive)
    archive.write_bytes(data[:-30])
    with pytest.raises(BundleError):
        Bundle.load(archive)


def test_a_byte_that_flips_anywhere_is_harmless_or_named(tmp_path: Path) -> None:
    text = bytes(random.Random(0).choices(b"abcdefgh", k=1500))  # shrinks, and not to a constant
    bundle = make(tmp_path / "b", {"model.onnx": b"", "card.md": text})
    whole = zip_bundle(tmp_path / "b", tmp_path / "b.flawscope").read_bytes()
    refused = 0
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "x.flawscope").write_bytes(damaged)
        try:
            with Bundle.load(tmp_path / "x.flawscope") as loaded:
                assert loaded.digest == bundle.digest
        except BundleError:
            refused += 1
    assert refused > len(whole) / 7 / 2


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93])
def test_a_zip_that_names_another_compression_is_refused(tmp_path: Path, method: int) -> None:
    archive = tmp_path / "b.flawscope"
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("card.md", b"\x09\x04\x05\x00" + b"\xff" * 100)  # like the head of LZMA data
    data = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = data.index(mark) + offset
        data[place : place + 2] = method.to_bytes(2, "little")
    archive.write_bytes(data)
    with pytest.raises(BundleError, match="stored or deflated"):
        Bundle.load(archive)


# --- ONNX ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["../weights.data", "/etc/passwd", "weights.data"])
def test_external_data_outside_of_the_manifest_is_refused(tmp_path: Path, location: str) -> None:
    with pytest.raises(BundleError, match=r"outside of its folder|does not list"):
        make(tmp_path / "b", {"model.onnx": external(location)})


@pytest.mark.parametrize("role", ["onnx", "onnx_int8"])
def test_a_graph_is_looked_into_whatever_its_suffix(tmp_path: Path, role: FileRole) -> None:
    stages = (StageSpec(network=NetworkSpec(name="unet"), files={role: "model.bin"}),)
    with pytest.raises(BundleError, match="outside of its folder"):
        make(tmp_path / "b", {"model.bin": external("../weights.data")}, stages=stages)
    make(tmp_path / "b", {"model.bin": external("weights.data"), "weights.data": b"1234"}, stages=stages)


def test_listed_external_data_is_allowed(tmp_path: Path) -> None:
    make(tmp_path / "b", {"model.onnx": external("weights.data"), "weights.data": b"1234"})


def test_bytes_that_are_no_graph_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no readable ONNX"):
        make(tmp_path / "b", {"model.onnx": b"\x3a\xff\xff\xff\xff\x0fnot a graph"})
