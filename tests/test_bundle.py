"""Bundles: what is written is read back; what is damaged, unsafe or too new is refused."""

from __future__ import annotations

import json
import pickle
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from flawscope.bundle import (
    MANIFEST_NAME,
    Bundle,
    Chosen,
    ClassSpec,
    InputSpec,
    Manifest,
    StageSpec,
    write_bundle_folder,
    zip_bundle,
)
from flawscope.errors import BundleError, OutputError
from flawscope.manifest import FileRole, NetworkSpec, Strict


def make(root: Path, files: dict[str, bytes | Path] | None = None, **changes: object) -> Bundle:
    values: dict[str, object] = {
        "classes": (ClassSpec(id=1, name="crack"),),
        "input": InputSpec(),
        "stages": (StageSpec(network=NetworkSpec(name="unet"), files={"onnx": "model.onnx"}),),
        "thresholds": {"crack": Chosen(value=0.4, rule="f1", data="val")},
        "min_area_px": {"crack": Chosen(value=25)},
        **changes,
    }
    return write_bundle_folder(root, Manifest(**values), files or {"model.onnx": b""})  # type: ignore[arg-type]


def edit(root: Path, change: Callable[[dict[str, object]], None]) -> None:
    path = root / MANIFEST_NAME
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))


def external(location: str) -> bytes:
    """An ONNX file whose one tensor lies in another file."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    entry = field(1, b"location") + field(2, location.encode())
    return field(7, field(5, field(13, entry)))


def test_a_bundle_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    bundle = make(tmp_path / "b", {"model.onnx": b"", "card.md": b"# Card"}, licence="Apache-2.0")
    again = Bundle.load(tmp_path / "b")
    assert again.manifest == bundle.manifest
    assert again.digest == bundle.digest
    assert [item.name for item in again.classes] == ["crack"]
    assert again.threshold("crack") == 0.4
    assert again.min_area_px("crack") == 25
    assert again.presence_px("crack") == 0
    assert again.file(again.stage(), "onnx") == tmp_path / "b" / "model.onnx"
    assert again.file(again.stage(), "litert") is None
    with pytest.raises(BundleError, match="no 'gate' network"):
        again.stage("gate")


def test_a_number_for_every_photograph_keeps_the_text_of_its_manifest(tmp_path: Path) -> None:
    """Bundles from before numbers named their photograph keep their hash, and are read as they were."""
    plain = make(tmp_path / "plain")
    assert "of_px" not in plain.manifest.to_json()
    areas = {"crack": Chosen(value=25, of_px=409_600)}
    assert make(tmp_path / "sized", min_area_px=areas).manifest.min_area_px == areas
    assert Bundle.load(tmp_path / "sized").manifest.min_area_px["crack"].of_px == 409_600
    with pytest.raises(ValueError, match="of_px"):
        Chosen(value=1, of_px=0)


def test_a_run_folder_stands_for_its_bundle(tmp_path: Path) -> None:
    make(tmp_path / "run" / "bundle")
    assert Bundle.load(tmp_path / "run").root == tmp_path / "run" / "bundle"


def test_a_zip_is_the_same_bundle_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    bundle = make(tmp_path / "b", {"model.onnx": b"", "sub/card.md": b"card"})
    one = zip_bundle(tmp_path / "b", tmp_path / "one.flawscope")
    (tmp_path / "b" / "model.onnx").touch()
    two = zip_bundle(tmp_path / "b", tmp_path / "two.flawscope")
    assert one.read_bytes() == two.read_bytes()
    with Bundle.load(one) as loaded:
        assert loaded.manifest == bundle.manifest
        unpacked = loaded.root
        assert (unpacked / "sub" / "card.md").read_bytes() == b"card"
    assert not unpacked.exists()


def test_the_temporary_folder_goes_with_the_bundle(tmp_path: Path) -> None:
    make(tmp_path / "b")
    loaded = Bundle.load(zip_bundle(tmp_path / "b", tmp_path / "b.flawscope"))
    unpacked = loaded.root
    del loaded
    assert not unpacked.exists()


def test_a_zip_made_one_folder_higher_is_understood(tmp_path: Path) -> None:
    make(tmp_path / "b")
    with zipfile.ZipFile(tmp_path / "b.flawscope", "w") as target:
        for name in (MANIFEST_NAME, "model.onnx"):
            target.write(tmp_path / "b" / name, f"b/{name}")
    assert Bundle.load(tmp_path / "b.flawscope").manifest.classes[0].name == "crack"


def test_writing_replaces_a_bundle_but_nothing_else(tmp_path: Path) -> None:
    make(tmp_path / "b", {"model.onnx": b"", "card.md": b"old"})
    make(tmp_path / "b")
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [MANIFEST_NAME, "model.onnx"]
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(b"x")
    with pytest.raises(OutputError, match="is no bundle"):
        make(tmp_path / "photos")
    assert (tmp_path / "photos" / "one.jpg").exists()


def test_nothing_is_left_when_writing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        make(tmp_path / "b", {"model.onnx": b"", "weights.pt": b"x"})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        make(tmp_path / "file" / "b")


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


def test_a_torch_zip_is_refused_under_another_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as target:
        target.writestr("archive/data.pkl", b"x")
    with pytest.raises(BundleError, match="torch file"):
        make(tmp_path / "b", {"model.onnx": b"", "weights.safetensors": tmp_path / "t.zip"})


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_safetensors_whose_length_looks_like_a_pickle_header_are_fine(tmp_path: Path, length: int) -> None:
    content = length.to_bytes(8, "little") + b'{"a":' + b" " * length
    make(tmp_path / "b", {"model.onnx": b"", "weights.safetensors": content})


def test_changed_missing_and_added_files_are_refused(tmp_path: Path) -> None:
    for name in "abc":
        make(tmp_path / name, {"model.onnx": b"", "card.md": b"card"})
    (tmp_path / "a" / "card.md").write_bytes(b"CARD")
    with pytest.raises(BundleError, match=r"card.md does not match its SHA-256"):
        Bundle.load(tmp_path / "a")
    (tmp_path / "b" / "card.md").unlink()
    with pytest.raises(BundleError, match=r"incomplete; missing: card\.md"):
        Bundle.load(tmp_path / "b")
    (tmp_path / "c" / "more.txt").write_text("x")
    with pytest.raises(BundleError, match=r"does not list: more\.txt"):
        Bundle.load(tmp_path / "c")
    (tmp_path / "c" / "more.txt").rename(tmp_path / "c" / ".DS_Store")
    Bundle.load(tmp_path / "c")


def test_newer_and_broken_manifests_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "b")
    path = tmp_path / "b" / MANIFEST_NAME
    good = path.read_text()
    edit(tmp_path / "b", lambda raw: raw.update(schema=99, unheard_of=1))
    with pytest.raises(BundleError, match=r"newer flawscope: schema 99.*\nUpgrade"):
        Bundle.load(tmp_path / "b")
    cases: dict[str, str] = {
        "not json": "cannot be read as JSON",
        "[" * 100_000: "cannot be read as JSON",
        "[]": "no schema",
        '{"schema": true}': "no schema",
        good.replace('"classes"', '"klasses"'): "problem",
        good.replace('"crack"', '"spall"', 1): "unknown classes",
        good.replace('"value": 0.4', '"value": 1.4'): "between 0 and 1",
        good.replace('"value": 0.4', '"value": NaN'): "finite|problem",
    }
    for text, message in cases.items():
        path.write_text(text)
        with pytest.raises(BundleError, match=message):
            Bundle.load(tmp_path / "b")


@pytest.mark.parametrize("name", ["../up.md", "/etc/hostname", "a/../../up.md", "C:/x.md", "a\\..\\b.md", ""])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path / "b")
    edit(tmp_path / "b", lambda raw: raw["sha256"].update({name: "0" * 64}))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="outside of its folder"):
        Bundle.load(tmp_path / "b")
    with pytest.raises(BundleError, match="outside of its folder"):
        make(tmp_path / "c", {"model.onnx": b"", name: b"x"})


def test_a_stage_file_without_a_hash_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "b")
    edit(tmp_path / "b", lambda raw: raw["sha256"].clear())  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="no SHA-256"):
        Bundle.load(tmp_path / "b")


def test_links_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "b")
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "b" / "card.md").symlink_to(tmp_path / "secret.md")
    with pytest.raises(BundleError, match="link or special file"):
        Bundle.load(tmp_path / "b")


def test_what_is_no_bundle_says_so(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model bundle at"):
        Bundle.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        Bundle.load(tmp_path)
    (tmp_path / "text.flawscope").write_text("hello")
    with pytest.raises(BundleError, match="neither a folder nor a zip"):
        Bundle.load(tmp_path / "text.flawscope")
    with zipfile.ZipFile(tmp_path / "empty.flawscope", "w") as target:
        target.writestr("a.md", "x")
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        Bundle.load(tmp_path / "empty.flawscope")


# --- zips ---------------------------------------------------------------------------------------------------


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


# --- manifest -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": (0.5,)},
        {"std": (0.0, 1.0, 1.0)},
        {"size_px": 500},
        {"size_px": 96, "halo_px": 40},
        {"mode": "resize"},
        {"mode": "resize", "factor": 0.5, "size_hw": (3, 3)},
        {"mode": "resize", "size_hw": (0, 3)},
        {"unknown": 1},
    ],
)
def test_inputs_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        InputSpec(**wrong)  # type: ignore[arg-type]


def test_class_lists_must_be_unique_and_start_at_one() -> None:
    stage = StageSpec(files={"onnx": "m.onnx"})
    for ids, names in (((1, 1), "ab"), ((1, 2), "aa"), ((0, 1), "ab")):
        classes = tuple(ClassSpec(id=i, name=n) for i, n in zip(ids, names, strict=True))
        with pytest.raises(ValueError, match=r"unique|start at 1"):
            Manifest(classes=classes, input=InputSpec(), stages=(stage,))


def test_keys_that_came_later_are_left_out_while_they_say_nothing() -> None:
    kinds = [kind for kind in Strict.__subclasses__() if kind.later]
    assert {kind.__name__ for kind in kinds} >= {"Chosen", "Manifest", "Promise", "StageSpec"}
    for kind in kinds:
        assert kind.later <= kind.model_fields.keys(), kind
        assert not any(kind.model_fields[key].is_required() for key in kind.later), kind
    assert set(Chosen(value=2.0).model_dump()) == {"value", "rule", "data"}
    assert Chosen(value=2.0, of_px=400).model_dump()["of_px"] == 400
    assert Chosen(value=2.0, digests="0123abcd").model_dump()["digests"] == "0123abcd"
    assert StageSpec(files={"onnx": "model.onnx"}).model_dump().keys() == {"role", "network", "files"}
