"""Bundles: what is written is read back; what is damaged, unsafe or too new is refused."""

from __future__ import annotations

import errno
import zipfile
from pathlib import Path

import pytest

from flawscope.bundle import (
    MANIFEST_NAME,
    Bundle,
    zip_bundle,
)
from flawscope.errors import BundleError, OutputError
from small_bundles import edit, make


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


def test_what_macos_adds_to_a_zip_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path / "b")
    for folder in ("b/", ""):
        archive = tmp_path / f"{len(folder)}.flawscope"
        with zipfile.ZipFile(archive, "w") as target:
            for name in (MANIFEST_NAME, "model.onnx"):
                target.write(tmp_path / "b" / name, folder + name)
                target.writestr(f"__MACOSX/{folder}._{name}", b"\x00\x05\x16\x07")
            target.writestr(".DS_Store", b"Bud1")
        assert Bundle.load(archive).manifest.classes[0].name == "crack"


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
    (tmp_path / "page").mkdir()
    for content in ('{"name": "a web page", "icons": []}', "[1]", "{"):
        (tmp_path / "page" / MANIFEST_NAME).write_text(content)
        with pytest.raises(OutputError, match="is no bundle"):
            make(tmp_path / "page")
        assert (tmp_path / "page" / MANIFEST_NAME).read_text() == content


def test_nothing_is_left_when_writing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        make(tmp_path / "b", {"model.onnx": b"", "weights.pt": b"x"})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        make(tmp_path / "file" / "b")


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


def test_a_bundle_that_may_not_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BundleError, match="cannot be read: File name too long"):
        Bundle.load("a" * 5000)
    make(tmp_path / "b")
    archive = zip_bundle(tmp_path / "b", tmp_path / "b.flawscope")

    def full(**_options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", "/tmp")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(BundleError, match=r"cannot be read: No space left on device \(/tmp\)"):
        Bundle.load(archive)

    def refused(path: Path, *_given: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refused)
    for path in (archive, tmp_path / "b"):
        with pytest.raises(BundleError, match="Permission denied"):
            Bundle.load(path)
